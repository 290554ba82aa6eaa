import { createHash, type Hash } from 'node:crypto'
import { mkdir, open, rename, rm, stat, truncate, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { contentOf } from '../digest.ts'
import type { HubClient, HubFile } from './hub-client.ts'
import { HubError } from './hub-error.ts'

export interface DownloadPlace {
  readonly hub: HubClient
  readonly repository: string
  readonly commit: string
  readonly folder: string
  readonly signal: AbortSignal
  /** So many bytes more are here; negative where a part was thrown away. */
  readonly onBytes: (bytes: number) => void
  readonly firstDelayMs?: number
  /** Connections that may break without a byte in between. */
  readonly maxBreaks?: number
}

/** A half file stays under this ending, so that the next try goes on where this one ended. */
export const partEnding = '.loraplex-part'

/**
 * One file into the folder; it has its name only once its hash is right. What is there already and right is kept.
 *
 * @throws HubError; Node's error where the disk fails.
 */
export async function downloadFile(place: DownloadPlace, file: HubFile): Promise<void> {
  const path = join(place.folder, file.path)
  await mkdir(dirname(path), { recursive: true })
  if (await isRight(path, file, place.signal)) {
    place.onBytes(file.sizeBytes)
    return
  }
  const part = path + partEnding
  for (let attempt = 0; ; attempt += 1) {
    const hash = await fill(place, file, part)
    if (matches(hash, file)) {
      await rename(part, path)
      return
    }
    place.onBytes(-file.sizeBytes)
    await rm(part, { force: true })
    if (attempt > 0) {
      throw new HubError(
        'Damaged',
        `${file.path} came twice with another content than the hub says.`,
      )
    }
  }
}

/** Until the part is as long as the file; its hash. */
async function fill(place: DownloadPlace, file: HubFile, part: string): Promise<Hash> {
  const { signal, firstDelayMs = 500, maxBreaks = 8 } = place
  const handle = await open(part, 'a+')
  try {
    let hash = beginHash(file)
    let done = await resume(handle, part, file, hash, signal)
    place.onBytes(done)
    for (let breaks = 0; done < file.sizeBytes;) {
      const before = done
      try {
        const { repository, commit } = place
        const answer = await place.hub.content(repository, commit, file.path, done, signal)
        if (answer.from !== done) {
          await handle.truncate(0)
          place.onBytes(-done)
          done = 0
          hash = beginHash(file)
        }
        for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
          if (done + chunk.byteLength > file.sizeBytes) {
            throw new HubError('Damaged', `${file.path} is longer than the hub says.`)
          }
          await handle.appendFile(chunk)
          hash.update(chunk)
          done += chunk.byteLength
          place.onBytes(chunk.byteLength)
        }
      } catch (error) {
        signal.throwIfAborted()
        if (!isPassing(error)) {
          throw error
        }
        if (breaks >= maxBreaks) {
          throw error instanceof HubError
            ? error
            : new HubError('Unreachable', `${file.path} breaks off at byte ${done}.`, error)
        }
      }
      breaks = done > before ? 0 : breaks + 1
      if (done < file.sizeBytes) {
        await delay(Math.min(firstDelayMs * 2 ** breaks, 30_000), undefined, { signal })
      }
    }
    await handle.sync()
    return hash
  } finally {
    await handle.close()
  }
}

/** Hashes what an earlier try left, and says how much that is. */
async function resume(
  handle: FileHandle,
  part: string,
  file: HubFile,
  hash: Hash,
  signal: AbortSignal,
): Promise<number> {
  const { size } = await handle.stat()
  if (size > file.sizeBytes) {
    await truncate(part, 0)
    return 0
  }
  for await (const chunk of contentOf(handle, signal)) {
    hash.update(chunk)
  }
  return size
}

async function isRight(path: string, file: HubFile, signal: AbortSignal): Promise<boolean> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile() !== true || found.size !== file.sizeBytes) {
    return false
  }
  const handle = await open(path)
  try {
    const hash = beginHash(file)
    for await (const chunk of contentOf(handle, signal)) {
      hash.update(chunk)
    }
    return matches(hash, file)
  } finally {
    await handle.close()
  }
}

/** Git hashes a file with its length in front. */
function beginHash({ sha256, sizeBytes }: HubFile): Hash {
  return sha256 === undefined
    ? createHash('sha1').update(`blob ${sizeBytes}\0`)
    : createHash('sha256')
}

function matches(hash: Hash, { sha256, gitSha1 }: HubFile): boolean {
  const wanted = sha256 ?? gitSha1
  return wanted === undefined || hash.digest('hex') === wanted
}

/** Worth another connection; what the disk says is not. */
function isPassing(error: unknown): boolean {
  if (error instanceof HubError) {
    return error.code === 'Unreachable'
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return code.startsWith('UND_') || code === 'ECONNRESET' || code === 'EPIPE'
}
