import { lstat, mkdir, readdir, rename, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { BugError } from '../errors.ts'
import { adapterFileNames } from './adapter-files.ts'
import { digestFolder, isDigest } from './digest.ts'
import { problem } from './problems.ts'
import {
  isAbandoned,
  isStaging,
  removeFolder,
  StagingFolder,
  stagingName,
  storing,
  syncFolder,
} from './staging-folder.ts'
import { codeOf, StorageError, storageOutcome } from './storage-error.ts'
import type { StorageRoom } from './storage-room.ts'
import type { FetchOutcome, StoredAdapter } from './types.ts'

/** Writes the two files into the staging folder. Undefined: done. An outcome: given up, and this is why. */
export type Fill = (staging: StagingFolder) => Promise<FetchOutcome | undefined>

export interface ContentStoreOptions {
  /** What it may hold; default: what the disk does. */
  readonly room?: StorageRoom
  /** No other process writes there: whatever is half done was left by one that is gone. */
  readonly isAlone?: boolean
}

/**
 * Adapters by digest: `<root>/<digest>/{adapter_config.json,adapter_model.safetensors}`, read-only. A digest's folder
 * appears complete, in one rename, and never changes (I3). Several processes may share a root.
 */
export class ContentStore {
  readonly #root: string
  readonly #room: StorageRoom | undefined

  private constructor(root: string, room: StorageRoom | undefined) {
    this.#root = root
    this.#room = room
  }

  /** Makes the folder where it is missing and clears away what killed processes left half done. */
  static async open(root: string, options: ContentStoreOptions = {}): Promise<ContentStore> {
    const { room, isAlone = false } = options
    const store = new ContentStore(resolve(root), room)
    await mkdir(store.#root, { recursive: true })
    await store.#sweep(isAlone)
    for (const { sizeBytes } of room === undefined ? [] : await store.list()) {
      room?.count(sizeBytes)
    }
    return store
  }

  get root(): string {
    return this.#root
  }

  /** Undefined where there is no such content. Trusts what `put` verified; `verify` reads it again. */
  async get(digest: string): Promise<StoredAdapter | undefined> {
    return contentAt(this.#pathOf(digest), digest)
  }

  async list(): Promise<StoredAdapter[]> {
    const names = (await readdir(this.#root)).filter(isDigest).toSorted()
    const found = await Promise.all(names.map((digest) => this.get(digest)))
    return found.filter((adapter) => adapter !== undefined)
  }

  /**
   * Takes in what `fill` writes, if it is what `expectedDigest` names. Content that is there already stays as it is
   * and is the answer. Whatever happens, nothing half done remains. Errors of `fill` pass through.
   */
  async put(fill: Fill, expectedDigest?: string): Promise<FetchOutcome> {
    let staging: StagingFolder | undefined
    try {
      staging = await StagingFolder.create(this.#root, this.#room)
      return (await fill(staging)) ?? (await this.#commit(staging, expectedDigest))
    } catch (error) {
      if (error instanceof StorageError) {
        return storageOutcome(error)
      }
      throw error
    } finally {
      // What cannot be removed now is swept at a later open.
      await staging?.discard().catch(() => undefined)
    }
  }

  /** False where there was nothing. The name is gone at once; the bytes follow. */
  async delete(digest: string): Promise<boolean> {
    const aside = join(this.#root, stagingName('trash'))
    const renamed = await rename(this.#pathOf(digest), aside).then(() => true, undefinedIfAbsent)
    if (renamed === undefined) {
      return false
    }
    // Looked at under its other name: whoever asked for the deletion found it unused a moment ago, and no later.
    const sizeBytes = (await contentAt(aside, digest))?.sizeBytes ?? 0
    await removeFolder(aside)
    this.#room?.give(sizeBytes)
    return true
  }

  /** Reads the content again. `Damaged`: what is there is not what its name says. */
  async verify(digest: string, signal?: AbortSignal): Promise<'Intact' | 'Damaged' | 'Missing'> {
    const adapter = await this.get(digest)
    if (adapter === undefined) {
      const folder = await stat(this.#pathOf(digest)).catch(undefinedIfAbsent)
      return folder === undefined ? 'Missing' : 'Damaged'
    }
    return (await digestFolder(adapter.path, signal)) === digest ? 'Intact' : 'Damaged'
  }

  async #commit(staging: StagingFolder, expectedDigest: string | undefined): Promise<FetchOutcome> {
    const { digest } = staging
    if (digest === undefined) {
      throw new BugError('fill succeeded without writing both files')
    }
    if (expectedDigest !== undefined && digest !== expectedDigest) {
      return {
        outcome: 'Refused',
        problem: problem(
          'DigestMismatch',
          `The content has the digest ${digest}, source.digest says ${expectedDigest}. Either the files were changed or the digest is another one's: it is what \`sha256sum adapter_config.json adapter_model.safetensors | sha256sum\` prints.`,
        ),
      }
    }
    const path = this.#pathOf(digest)
    await staging.seal()
    try {
      // Fails on a folder that holds something: content is never overwritten (I3).
      await rename(staging.path, path)
    } catch (error) {
      return alreadyThere(error) ? this.#existing(digest) : Promise.reject(new StorageError(error))
    }
    staging.kept()
    await storing(syncFolder(this.#root))
    return { outcome: 'Stored', adapter: { digest, path, sizeBytes: staging.sizeBytes } }
  }

  /** Somebody else had it first. Read once more, so that a damaged copy is found now and not by the engine. */
  async #existing(digest: string): Promise<FetchOutcome> {
    const condition = await this.verify(digest)
    const adapter = await this.get(digest)
    return condition === 'Intact' && adapter !== undefined
      ? { outcome: 'Stored', adapter }
      : {
          outcome: 'Failed',
          problem: problem(
            'StoredContentDamaged',
            'The kept copy of this adapter is damaged on its disk. Your adapter is not at fault; it has to be removed there before it can be fetched again.',
          ),
        }
  }

  /** The one place where a digest becomes a path. */
  #pathOf(digest: string): string {
    if (!isDigest(digest)) {
      throw new BugError('not a digest: 64 lower-case hex digits')
    }
    return join(this.#root, digest)
  }

  async #sweep(isAlone: boolean): Promise<void> {
    for (const name of (await readdir(this.#root)).filter(isStaging)) {
      const path = join(this.#root, name)
      const folder = await lstat(path).catch(undefinedIfAbsent)
      if (folder !== undefined && (isAlone || isAbandoned(name, Date.now() - folder.mtimeMs))) {
        await removeFolder(path)
      }
    }
  }
}

async function contentAt(path: string, digest: string): Promise<StoredAdapter | undefined> {
  let sizeBytes = 0
  for (const name of adapterFileNames) {
    const file = await lstat(join(path, name)).catch(undefinedIfAbsent)
    if (file === undefined || !file.isFile()) {
      return undefined
    }
    sizeBytes += file.size
  }
  return { digest, path, sizeBytes }
}

function alreadyThere(error: unknown): boolean {
  const code = codeOf(error)
  return code === 'ENOTEMPTY' || code === 'EEXIST'
}

function undefinedIfAbsent(error: unknown): undefined {
  const code = codeOf(error)
  if (code !== 'ENOENT' && code !== 'ENOTDIR') {
    throw error
  }
}
