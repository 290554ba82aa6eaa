import { createHash, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, mkdir, open, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import type { AdapterFileName } from './adapter-files.ts'
import { adapterFileNames } from './adapter-files.ts'
import type { AdapterSink, WriteOutcome } from './adapter-sink.ts'
import { digestOf } from './digest.ts'
import { StorageError } from './storage-error.ts'
import type { StorageRoom } from './storage-room.ts'

const stagingPattern = /^\.(?:incoming|trash)-(?<host>[0-9a-f]{12})-(?<pid>\d+)-(?<started>\d+)-/

/** A folder's name that says which process works on it, so that the next one knows whether anybody still does. */
export function stagingName(kind: 'incoming' | 'trash'): string {
  const started = processStart('self') ?? '0'
  return `.${kind}-${hostTag()}-${process.pid}-${started}-${randomUUID()}`
}

/** Folders of other hosts sharing the volume count as abandoned after this. */
const foreignAgeMs = 6 * 3600_000

/** True for a staging folder whose process is gone (a used pid again counts as gone: the start time differs). */
export function isAbandoned(name: string, ageMs: number): boolean {
  const groups = stagingPattern.exec(name)?.groups
  if (groups === undefined) {
    return false
  }
  if (groups['host'] !== hostTag()) {
    return ageMs > foreignAgeMs
  }
  const started = processStart(groups['pid'] ?? '')
  return started === undefined || started !== groups['started']
}

export function isStaging(name: string): boolean {
  return stagingPattern.test(name)
}

function hostTag(): string {
  return createHash('sha256').update(hostname()).digest('hex').slice(0, 12)
}

/** Start time in clock ticks since boot, field 22 of Linux's /proc/PID/stat; elsewhere '0' for a live process. */
function processStart(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in brackets and may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return process.platform === 'linux' || !isAlive(pid) ? undefined : '0'
  }
}

function isAlive(pid: string): boolean {
  try {
    process.kill(pid === 'self' ? process.pid : Number(pid), 0)
    return true
  } catch {
    return false
  }
}

/** An adapter on its way into the store: on the same volume, so that the last step is one rename. */
export class StagingFolder implements AdapterSink {
  readonly path: string
  readonly #digests = new Map<AdapterFileName, string>()
  readonly #room: StorageRoom | undefined
  #sizeBytes = 0
  /** Of the room, until it is given back or belongs to the store. */
  #takenBytes = 0

  private constructor(path: string, room: StorageRoom | undefined) {
    this.path = path
    this.#room = room
  }

  static async create(root: string, room?: StorageRoom): Promise<StagingFolder> {
    const folder = new StagingFolder(join(root, stagingName('incoming')), room)
    await storing(mkdir(folder.path, { mode: 0o700 }))
    return folder
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** SHA-256 of a file written here, in hex. */
  digestOfFile(name: AdapterFileName): string | undefined {
    return this.#digests.get(name)
  }

  /** Undefined until both files are written. */
  get digest(): string | undefined {
    const [config, weights] = adapterFileNames.map((name) => this.#digests.get(name))
    return config === undefined || weights === undefined
      ? undefined
      : digestOf({ 'adapter_config.json': config, 'adapter_model.safetensors': weights })
  }

  /**
   * Writes one file, hashing what goes to the disk, and syncs it. Stops at `maxBytes`. Errors of the disk come as
   * `StorageError`, errors of `content` as they are.
   */
  async write(
    name: AdapterFileName,
    content: AsyncIterable<Uint8Array>,
    maxBytes: number,
  ): Promise<WriteOutcome> {
    // `wx`: a file that is there already was written by a bug or an intruder.
    const file = await storing(open(join(this.path, name), 'wx', 0o600))
    const hash = createHash('sha256')
    let bytes = 0
    try {
      for await (const chunk of content) {
        bytes += chunk.length
        if (bytes > maxBytes) {
          return 'TooLarge'
        }
        hash.update(chunk)
        this.#room?.take(chunk.length)
        this.#takenBytes += chunk.length
        await storing(file.writeFile(chunk))
      }
      await storing(file.chmod(0o444))
      await storing(file.sync())
    } finally {
      await storing(file.close())
    }
    this.#digests.set(name, hash.digest('hex'))
    this.#sizeBytes += bytes
    return 'Written'
  }

  /** Makes the folder read-only and durable; only the rename is left to do. */
  async seal(): Promise<void> {
    await storing(chmod(this.path, 0o555))
    await storing(syncFolder(this.path))
  }

  /** It was renamed: what it takes is the store's. */
  kept(): void {
    this.#takenBytes = 0
  }

  async discard(): Promise<void> {
    await removeFolder(this.path)
    this.#room?.give(this.#takenBytes)
    this.#takenBytes = 0
  }
}

/** Removes a folder that may be read-only. */
export async function removeFolder(path: string): Promise<void> {
  await chmod(path, 0o700).catch(() => undefined)
  await rm(path, { recursive: true, force: true })
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

export async function storing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw new StorageError(error)
  }
}
