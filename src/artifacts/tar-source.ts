import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { extract } from 'tar-stream'
import type { Extract, Header } from 'tar-stream'
import { adapterFileNames, isAdapterFileName, maxConfigBytes } from './adapter-files.ts'
import type { AdapterFileName } from './adapter-files.ts'
import { actualPath, isInside, isSameFile, sourceFailed, tooLarge } from './folder-source.ts'
import { configMissing, weightsMissing } from './preflight-snapshot.ts'
import { DownloadError } from './https/download-error.ts'
import { problem, quoted } from './problems.ts'
import type { ProblemReason } from './problems.ts'
import type { StagingFolder } from './staging-folder.ts'
import { codeOf, StorageError } from './storage-error.ts'
import type { AdapterProblem, FetchOutcome } from './types.ts'

export interface ArchiveSource {
  /** Absolute, of a gzip-compressed tar file. */
  readonly path: string
  /** Links resolved; the file has to lie in it. Undefined: anywhere. */
  readonly root?: string | undefined
  /** For the two files together. */
  readonly maxBytes: number
  readonly signal: AbortSignal | undefined
}

type TarEntry = Extract extends AsyncIterable<infer Source> ? Source : never

const pieceBytes = 128 * 1024
const maxEntries = 4_096
/** Room for a tokenizer, a README and other things that are read past. */
const maxOtherBytes = 64 * 1024 * 1024
/** Long names and attributes between two entries; tar-stream holds them in memory. */
const maxHeaderBytes = 256 * 1024

/** Ends the reading of an archive with a reason for its owner. */
class ArchiveRefused extends Error {
  override readonly name = 'ArchiveRefused'
  readonly problem: AdapterProblem
  constructor(reason: ProblemReason, message: string) {
    super(message)
    this.problem = problem(reason, message)
  }
}

/** Takes the two files out of an archive, streaming; nothing else of it touches the disk. */
export async function fillFromArchive(
  staging: StagingFolder,
  source: ArchiveSource,
): Promise<FetchOutcome | undefined> {
  const { maxBytes, signal } = source
  return readArchive(source, (content) =>
    fillFromArchiveBytes(staging, { content, maxBytes, signal }),
  )
}

/** Opens an archive, gives its bytes to `take`, and says whether they are of one moment. */
export async function readArchive(
  source: Omit<ArchiveSource, 'maxBytes'>,
  take: (
    content: AsyncIterable<Uint8Array>,
    sizeBytes: number,
  ) => Promise<FetchOutcome | undefined>,
): Promise<FetchOutcome | undefined> {
  let handle: FileHandle | undefined
  try {
    handle = await open(source.path, constants.O_RDONLY | constants.O_NONBLOCK)
    if (!isInside(await actualPath(source.path, handle), source.root)) {
      const words = 'The path leads out of the place it names.'
      return { outcome: 'Refused', problem: problem('SourceUnsafe', words) }
    }
    const before = await handle.stat({ bigint: true })
    const outcome = await take(compressed(handle), Number(before.size))
    return isSameFile(before, await handle.stat({ bigint: true }))
      ? outcome
      : sourceFailed(
          'SourceChanged',
          'The archive changed while it was read. It is read again once it is left alone; write new versions beside the old one and rename them.',
        )
  } catch (error) {
    source.signal?.throwIfAborted()
    const code = codeOf(error)
    if (error instanceof StorageError || code === undefined) {
      throw error
    }
    return sourceFailed('SourceUnreadable', `The archive could not be read (${code}).`)
  } finally {
    await handle?.close()
  }
}

export interface ArchiveBytes {
  /** A gzip-compressed tar file. Fresh buffers: zlib queues them. */
  readonly content: AsyncIterable<Uint8Array>
  readonly maxBytes: number
  readonly signal: AbortSignal | undefined
}

/** As `fillFromArchive`, from wherever the bytes come. Errors of their source pass through. */
export async function fillFromArchiveBytes(
  staging: StagingFolder,
  source: ArchiveBytes,
): Promise<FetchOutcome | undefined> {
  const reader = new ArchiveReader(staging, source)
  try {
    await reader.read()
    return reader.missing()
  } catch (error) {
    if (error instanceof ArchiveRefused) {
      return { outcome: 'Refused', problem: error.problem }
    }
    // An errno is the disk's, everything else zlib's or the tar reader's opinion of the bytes.
    if (source.signal?.aborted === true || isOurs(error) || isErrno(error)) {
      throw error
    }
    return {
      outcome: 'Refused',
      problem: problem(
        'ArchiveInvalid',
        'The archive is damaged or no gzip-compressed tar file. Pack it again: tar -czf adapter.tar.gz -C FOLDER adapter_config.json adapter_model.safetensors.',
      ),
    }
  }
}

function isErrno(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && 'syscall' in error
}

/** A file handle's own stream would close it, and it is asked once more at the end. Fresh buffers: zlib queues them. */
async function* compressed(handle: FileHandle): AsyncGenerator<Uint8Array> {
  for (let position = 0; ;) {
    const { buffer, bytesRead } = await handle.read(
      Buffer.allocUnsafe(pieceBytes),
      0,
      pieceBytes,
      position,
    )
    if (bytesRead === 0) {
      return
    }
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

class ArchiveReader {
  readonly #staging: StagingFolder
  readonly #source: ArchiveBytes
  readonly #written = new Set<AdapterFileName>()
  readonly #otherNames: string[] = []
  #entries = 0
  /** Expanded bytes handed to the tar reader, and those of them that entries account for. */
  #expanded = 0
  #accounted = 0
  #folder: string | undefined

  constructor(staging: StagingFolder, source: ArchiveBytes) {
    this.#staging = staging
    this.#source = source
  }

  async read(): Promise<void> {
    const archive = extract()
    const options = this.#source.signal === undefined ? {} : { signal: this.#source.signal }
    const feeding = pipeline(
      this.#source.content,
      createGunzip(),
      (expanded: Readable) => this.#counted(expanded),
      archive,
      options,
    )
    // Both ends see the same failure; the feeding side knows the first one.
    const [fed, taken] = await Promise.allSettled([feeding, this.#take(archive)])
    for (const end of [taken, fed]) {
      if (end.status === 'rejected' && end.reason instanceof Error && isOurs(end.reason)) {
        throw end.reason
      }
    }
    if (fed.status === 'rejected') {
      throw fed.reason
    }
    if (taken.status === 'rejected') {
      throw taken.reason
    }
  }

  /** What is wrong once the archive is read: one of the files is not in it. */
  missing(): FetchOutcome | undefined {
    const [name] = adapterFileNames.filter((file) => !this.#written.has(file))
    return name === undefined
      ? undefined
      : {
          outcome: 'Refused',
          problem:
            name === 'adapter_config.json' ? configMissing() : weightsMissing(this.#otherNames),
        }
  }

  async *#counted(expanded: Readable): AsyncGenerator<Uint8Array> {
    for await (const chunk of expanded as AsyncIterable<Uint8Array>) {
      this.#expanded += chunk.length
      if (this.#expanded > this.#source.maxBytes + maxOtherBytes) {
        throw tooMuch(`expands to more than ${this.#source.maxBytes + maxOtherBytes} bytes`)
      }
      if (this.#expanded > this.#accounted + maxHeaderBytes + chunk.length) {
        throw tooMuch(`has more than ${maxHeaderBytes} bytes of headers before an entry`)
      }
      yield chunk
    }
  }

  async #take(archive: Extract): Promise<void> {
    try {
      for await (const entry of archive) {
        await this.#entry(entry)
      }
    } catch (error) {
      archive.destroy(error instanceof Error ? error : undefined)
      throw error
    }
  }

  async #entry(entry: TarEntry): Promise<void> {
    const { header } = entry
    this.#entries++
    this.#accounted = this.#expanded + header.size
    if (this.#entries > maxEntries) {
      throw tooMuch(`has more than ${maxEntries} entries`)
    }
    const path = safePath(header)
    const name = header.type === 'directory' ? undefined : path.at(-1)
    if (name === undefined || !isAdapterFileName(name) || path.length > 2) {
      this.#otherNames.push(name ?? '')
      entry.resume()
      return
    }
    this.#claim(name, path.slice(0, -1).join('/'))
    await this.#write(name, entry)
  }

  async #write(name: AdapterFileName, entry: TarEntry): Promise<void> {
    const { maxBytes } = this.#source
    const limit =
      name === 'adapter_config.json'
        ? Math.min(maxConfigBytes, maxBytes)
        : maxBytes - this.#staging.sizeBytes
    // The announced size first: a file that is too large is not unpacked up to the limit.
    const outcome =
      entry.header.size > limit
        ? 'TooLarge'
        : await this.#staging.write(name, entry as unknown as AsyncIterable<Uint8Array>, limit)
    if (outcome === 'TooLarge') {
      const { reason, message } = tooLarge(name, maxBytes)
      throw new ArchiveRefused(reason as ProblemReason, message)
    }
  }

  #claim(name: AdapterFileName, folder: string): void {
    this.#folder ??= folder
    if (this.#written.has(name) || this.#folder !== folder) {
      throw new ArchiveRefused(
        'ArchiveAmbiguous',
        `The archive holds ${name} twice, or its two files in different folders. Pack one adapter an archive.`,
      )
    }
    this.#written.add(name)
  }
}

/** Path components of an entry that is a plain file or a folder inside the archive; everything else ends the reading. */
function safePath({ name, type, pax }: Header): readonly string[] {
  const sparse = Object.keys(Object(pax) as object).some((key) => key.startsWith('GNU.sparse'))
  if (sparse || (type !== 'file' && type !== 'contiguous-file' && type !== 'directory')) {
    throw new ArchiveRefused(
      'ArchiveUnsafe',
      `The archive's entry ${quoted(name)} is ${sparse ? 'a sparse file' : 'a link, a device or of an unknown kind'}. Pack plain files only: tar -czhf follows links.`,
    )
  }
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (name.startsWith('/') || name.includes('\\') || name.includes('\0') || parts.includes('..')) {
    throw new ArchiveRefused(
      'ArchiveUnsafe',
      `The archive's entry ${quoted(name)} leads out of the archive. Pack it again with tar -C FOLDER.`,
    )
  }
  return parts
}

function tooMuch(detail: string): ArchiveRefused {
  return new ArchiveRefused(
    'ArchiveTooLarge',
    `The archive ${detail}. Pack adapter_config.json and adapter_model.safetensors alone.`,
  )
}

function isOurs(error: unknown): boolean {
  return (
    error instanceof ArchiveRefused ||
    error instanceof StorageError ||
    error instanceof DownloadError
  )
}
