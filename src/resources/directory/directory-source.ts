import { randomUUID } from 'node:crypto'
import { mkdir, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { StatusByKind } from '../../api/condition.ts'
import { emptySnapshot, type AnyResource, type Kind } from '../../api/kinds.ts'
import { keyOf } from '../../api/metadata.ts'
import { UserError } from '../../errors.ts'
import type { ResourceSource, ResourceUpdate } from '../resource-source.ts'
import { DelayedWrite } from './delayed-write.ts'
import { FileReader, type ReaderOutcome } from './file-reader.ts'
import { FolderWatch } from './folder-watch.ts'
import type { HeldState } from './held-object.ts'
import { reconcile } from './reconcile.ts'
import { RescanTimer } from './rescan-timer.ts'
import { isSameSnapshot, resourcesOf, snapshotOf } from './snapshot.ts'
import { objectsPath, readStateFile, stateFileText } from './state-file.ts'
import { readStatusFile, statusPath, type StatusFile } from './status-file.ts'
import { StatusStore } from './status-store.ts'

export interface DirectorySourceOptions {
  /** A folder of YAML, read with everything below it. */
  readonly folder: string
  /** Holds `objects.json` (the last good state) and `status.json`; made if absent, never scanned. */
  readonly stateFolder: string
  readonly logger?: DirectoryLogger
  /** A scan waits until nothing happened for so long. */
  readonly quietMs?: number
  /** The folder is looked at this often even when no change was noticed. */
  readonly rescanMs?: number
}

/** pino's, as far as it is needed here. */
export interface DirectoryLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

const silent: DirectoryLogger = { info: () => undefined, warn: () => undefined }
const saveDelayMs = 50
/** Scans until `start()` has a state that a deletion or a file being written would not change at once. */
const maxStartScans = 10

/** A watched folder of YAML as the source of resources. */
export function createDirectorySource(options: DirectorySourceOptions): ResourceSource {
  return new DirectorySource(options)
}

class DirectorySource implements ResourceSource {
  readonly #folder: string
  readonly #stateFolder: string
  readonly #logger: DirectoryLogger
  readonly #quietMs: number
  readonly #reader: FileReader
  readonly #watch: FolderWatch
  readonly #timer: RescanTimer
  readonly #statuses = new StatusStore()
  readonly #objectsFile: DelayedWrite
  readonly #statusFile: DelayedWrite
  readonly #subscribers = new Set<(update: ResourceUpdate) => void>()
  #state: HeldState = { objects: new Map(), revokedKeys: new Set() }
  #update: ResourceUpdate = { snapshot: emptySnapshot, problems: [] }
  #scanning: Promise<void> = Promise.resolve()
  #isLookPending = false
  #isClosed = false
  #stopListening = (): void => undefined

  constructor(options: DirectorySourceOptions) {
    this.#folder = resolve(options.folder)
    this.#stateFolder = resolve(options.stateFolder)
    this.#logger = options.logger ?? silent
    this.#quietMs = options.quietMs ?? 100
    const skip = new Set([this.#stateFolder])
    this.#reader = new FileReader({ folder: this.#folder, skip, quietMs: this.#quietMs })
    this.#timer = new RescanTimer({
      quietMs: this.#quietMs,
      rescanMs: options.rescanMs ?? 5000,
      rescan: () => this.#rescan(),
    })
    this.#watch = new FolderWatch({
      onEvent: () => {
        this.#timer.changed()
      },
      onTrouble: (reason) => {
        this.#logger.warn(
          { folder: this.#folder, reason },
          'folder cannot be watched, changes are noticed by looking again',
        )
      },
    })
    this.#objectsFile = this.#file(objectsPath(this.#stateFolder), () =>
      stateFileText(this.#folder, this.#state),
    )
    this.#statusFile = this.#file(statusPath(this.#stateFolder), () => this.#statusText())
  }

  current(): ResourceUpdate {
    return this.#update
  }

  watch(onUpdate: (update: ResourceUpdate) => void): () => void {
    this.#subscribers.add(onUpdate)
    return () => {
      this.#subscribers.delete(onUpdate)
    }
  }

  writeStatus<K extends Kind>(kind: K, key: string, status: StatusByKind[K] | undefined): void {
    // A status that arrives after its object went has nobody to tell.
    const resource = this.#resource(kind, key)
    if (this.#statuses.set(kind, key, resource?.metadata.uid ?? '', resource && status)) {
      this.#statusFile.request()
    }
  }

  status<K extends Kind>(kind: K, key: string): StatusByKind[K] | undefined {
    return this.#statuses.get(kind, key)
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    await requireFolder(this.#folder)
    await mkdir(this.#stateFolder, { recursive: true, mode: 0o700 })
    await this.#restore()
    const onAbort = (): void => {
      void this.close()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#stopListening = () => {
      signal.removeEventListener('abort', onAbort)
    }
    for (let scans = 0; scans < maxStartScans && !signal.aborted; scans += 1) {
      const retryAfterMs = await this.#scan()
      if (retryAfterMs === undefined && !this.#isLookPending) {
        break
      }
      await this.#timer.pause(retryAfterMs ?? this.#quietMs)
    }
    this.#statusFile.request()
    this.#timer.start()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopListening()
    this.#timer.stop()
    this.#watch.close()
    this.#reader.close()
    this.#subscribers.clear()
    await this.#scanning
    await Promise.all([this.#objectsFile.flush(), this.#statusFile.flush()])
  }

  async #restore(): Promise<void> {
    const saved = await readStateFile(this.#stateFolder)
    if (saved.outcome === 'Damaged') {
      const file = objectsPath(this.#stateFolder)
      throw new UserError(
        `The state file ${file} cannot be used: ${saved.reason}.\n` +
          'It says which keys were revoked, so it is not thrown away unasked. Move it elsewhere to start from the folder alone.',
      )
    }
    if (saved.outcome === 'Absent') {
      return
    }
    // Another folder's objects are not this one's; a revocation is for good.
    const objects = saved.folder === this.#folder ? saved.state.objects : new Map()
    this.#state = { objects, revokedKeys: saved.state.revokedKeys }
    this.#statuses.restore(await readStatusFile(this.#stateFolder))
    if (saved.dropped > 0) {
      this.#logger.warn(
        { dropped: saved.dropped },
        'saved objects are no longer valid and were dropped',
      )
    }
  }

  async #rescan(): Promise<void> {
    try {
      const retryAfterMs = await this.#scan()
      if (this.#isLookPending || retryAfterMs !== undefined) {
        this.#timer.again(retryAfterMs ?? this.#quietMs)
      }
    } catch (error) {
      this.#logger.warn({ err: error, folder: this.#folder }, 'folder could not be scanned')
    }
  }

  /** One scan at a time. Resolves to the time after which a file that is being written should be read. */
  #scan(): Promise<number | undefined> {
    const scan = this.#scanning.then(() => this.#scanOnce())
    this.#scanning = scan.then(
      () => undefined,
      () => undefined,
    )
    return scan
  }

  async #scanOnce(): Promise<number | undefined> {
    const outcome = await this.#reader.read()
    if (this.#isClosed) {
      return undefined
    }
    if (this.#watch.setFolders(outcome.folders)) {
      // What was written into a new folder before its watch began has been missed.
      this.#timer.changed()
    }
    if (outcome.isChanged || this.#isLookPending) {
      this.#take(outcome)
    }
    return outcome.retryAfterMs
  }

  #take({ scan }: ReaderOutcome): void {
    const context = { folder: this.#folder, nowMs: Date.now(), newUid: randomUUID }
    const { state, problems, isLookPending } = reconcile(this.#state, scan, context)
    this.#state = state
    this.#isLookPending = isLookPending
    const snapshot = snapshotOf(state.objects, this.#folder)
    const isSame = isSameSnapshot(snapshot, this.#update.snapshot)
    if (isSame && JSON.stringify(problems) === JSON.stringify(this.#update.problems)) {
      return
    }
    this.#update = { snapshot, problems }
    this.#statuses.keepOnly(resourcesOf(snapshot))
    this.#emit()
    this.#objectsFile.request()
    this.#statusFile.request()
  }

  #emit(): void {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(this.#update)
      } catch (error) {
        this.#logger.warn({ err: error }, 'a consumer of resources failed on an update')
      }
    }
  }

  #resource(kind: Kind, key: string): AnyResource | undefined {
    const held = this.#state.objects.get(`${kind}/${key}`)?.resource
    return held?.type === 'Resource' ? held.value : undefined
  }

  #file(path: string, content: () => string): DelayedWrite {
    return new DelayedWrite({
      path,
      content,
      delayMs: saveDelayMs,
      onError: (error) => {
        this.#logger.warn({ err: error, file: path }, 'state could not be saved')
      },
    })
  }

  #statusText(): string {
    const file: StatusFile = {
      version: 1,
      folder: this.#folder,
      writtenAt: new Date().toISOString(),
      objects: resourcesOf(this.#update.snapshot).map(({ kind, metadata, spec }) => {
        const status = this.#statuses.get(kind, keyOf(metadata))
        return { kind, metadata, spec, ...(status === undefined ? {} : { status }) }
      }),
      problems: this.#update.problems,
    }
    return JSON.stringify(file)
  }
}

async function requireFolder(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined)
  if (found === undefined) {
    throw new UserError(
      `There is no folder ${folder}. Make it, or name the folder that holds your YAML files.`,
    )
  }
  if (!found.isDirectory()) {
    throw new UserError(`${folder} is no folder. Name the folder that holds your YAML files.`)
  }
}
