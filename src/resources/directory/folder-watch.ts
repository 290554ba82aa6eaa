import { watch, type FSWatcher } from 'node:fs'
import { errorCode, isYamlName, type FolderListing } from './walk-folder.ts'

export interface FolderWatchOptions {
  /** Something may have changed; called often. */
  readonly onEvent: () => void
  /** Changes are noticed by the slow rescan only; called once. */
  readonly onTrouble: (reason: string) => void
}

interface OpenWatch {
  readonly identity: string
  readonly watcher: FSWatcher
}

/**
 * Watches folders one by one rather than recursively: Node's recursive watch on Linux opens one watch for each file and
 * does not follow links.
 */
export class FolderWatch {
  readonly #options: FolderWatchOptions
  readonly #watchers = new Map<string, OpenWatch>()
  #isTroubled = false
  #isClosed = false

  constructor(options: FolderWatchOptions) {
    this.#options = options
  }

  /** Watches exactly these. True when one is new: what happened in it before the watch began was missed. */
  setFolders(folders: FolderListing['folders']): boolean {
    if (this.#isClosed) {
      return false
    }
    for (const [folder, { identity, watcher }] of this.#watchers) {
      if (folders.get(folder) !== identity) {
        watcher.close()
        this.#watchers.delete(folder)
      }
    }
    return [...folders].map(([folder, identity]) => this.#add(folder, identity)).includes(true)
  }

  close(): void {
    this.#isClosed = true
    for (const { watcher } of this.#watchers.values()) {
      watcher.close()
    }
    this.#watchers.clear()
  }

  #add(folder: string, identity: string): boolean {
    if (this.#watchers.has(folder)) {
      return false
    }
    try {
      const watcher = watch(folder, { persistent: true }, (type, name) => {
        // Weights and logs may be written beside the YAML all the time; renames may be folders and links.
        if (type === 'rename' || name === null || isYamlName(name)) {
          this.#options.onEvent()
        }
      })
      watcher.on('error', (error) => {
        this.#drop(folder)
        this.#report(errorCode(error))
      })
      this.#watchers.set(folder, { identity, watcher })
      return true
    } catch (error) {
      this.#report(errorCode(error))
      return false
    }
  }

  /** A folder that was removed ends its watch; the next scan watches it again if it is back. */
  #drop(folder: string): void {
    this.#watchers.get(folder)?.watcher.close()
    this.#watchers.delete(folder)
    this.#options.onEvent()
  }

  #report(code: string): void {
    if (code !== 'ENOENT' && code !== 'EPERM' && !this.#isTroubled) {
      this.#isTroubled = true
      this.#options.onTrouble(code)
    }
  }
}
