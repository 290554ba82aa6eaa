import type { BigIntStats } from 'node:fs'
import { lstat, open, stat } from 'node:fs/promises'
import type { FileReading, FolderScan } from './folder-scan.ts'
import type { TextReading } from './read-document.ts'
import { readText, type DocumentCache } from './read-text.ts'
import { errorCode, walkFolder, type FolderListing, type FoundFile } from './walk-folder.ts'

export interface FileReaderOptions {
  /** Absolute. */
  readonly folder: string
  /** Absolute folders that are not looked into. */
  readonly skip: ReadonlySet<string>
  /** A file that changed more recently is still being written. */
  readonly quietMs: number
}

export interface ReaderOutcome {
  readonly scan: FolderScan
  /** Whether anything differs from the last call. */
  readonly isChanged: boolean
  /** A file is being written: look again after this time. */
  readonly retryAfterMs: number | undefined
  readonly folders: FolderListing['folders']
}

export const maxFileBytes = 4 * 1024 * 1024

/** A file that is the beginning of what it was, or new and cut off, is probably being written; editors need far less. */
const halfWrittenMs = 500
/** Files are stamped by a clock that ticks every few milliseconds. */
const stampSlackMs = 10

interface KnownFile {
  readonly stamp: string
  readonly text: string
  readonly reading: FileReading
  readonly cache: DocumentCache
}

const nothing: DocumentCache = new Map()

/** Reads a folder again and again, and only those files again that changed. */
export class FileReader {
  readonly #options: FileReaderOptions
  #known: ReadonlyMap<string, KnownFile> = new Map()
  readonly #closing = new AbortController()
  #unreadable = ''

  constructor(options: FileReaderOptions) {
    this.#options = options
  }

  async read(): Promise<ReaderOutcome> {
    const listing = await walkFolder(this.#options.folder, this.#options.skip)
    const known = new Map<string, KnownFile>()
    let isChanged = false
    let retryAfterMs: number | undefined
    for (const found of listing.files) {
      const before = this.#known.get(found.file)
      const next = await this.#readFile(found, before)
      if (next.retryAfterMs !== undefined) {
        retryAfterMs = Math.min(retryAfterMs ?? Infinity, next.retryAfterMs)
      }
      if (next.known !== undefined) {
        known.set(found.file, next.known)
        isChanged ||= next.known !== before
      }
    }
    isChanged ||= [...this.#known.keys()].some((file) => !known.has(file))
    const unreadable = JSON.stringify([...listing.unreadable])
    isChanged ||= unreadable !== this.#unreadable
    this.#known = known
    this.#unreadable = unreadable
    const files = new Map([...known].map(([file, { reading }]) => [file, reading]))
    return {
      scan: { files, unreadable: listing.unreadable },
      isChanged,
      retryAfterMs,
      folders: listing.folders,
    }
  }

  /** Ends a reading that is under way; its outcome is worth nothing then. */
  close(): void {
    this.#closing.abort()
  }

  async #readFile(
    found: FoundFile,
    before: KnownFile | undefined,
  ): Promise<{ readonly known: KnownFile | undefined; readonly retryAfterMs?: number }> {
    const stamp = stampOf(found.stats)
    if (before?.stamp === stamp) {
      return { known: before }
    }
    const busyMs = this.#busyMs(found.stats)
    if (busyMs > 0) {
      return { known: before ?? pending, retryAfterMs: busyMs }
    }
    const content = await readContent(found)
    if (content.outcome === 'Gone') {
      return { known: undefined, retryAfterMs: this.#options.quietMs }
    }
    if (content.outcome === 'Broken') {
      // No stamp: a fault of the disk may pass without a trace in the file.
      const reading = broken(content.message)
      return { known: { stamp: '', text: '', reading, cache: nothing } }
    }
    if (content.stamp !== stamp) {
      return { known: before ?? pending, retryAfterMs: this.#options.quietMs }
    }
    if (before !== undefined && before.text === content.text && before.reading.outcome === 'Read') {
      return { known: { ...before, stamp } }
    }
    const waitMs = halfWrittenMs - ageMs(found.stats)
    if (waitMs > 0 && isBeginningOf(content.text, before?.text)) {
      return { known: before, retryAfterMs: waitMs }
    }
    const { reading, cache } = await readText(content.text, before?.cache, this.#closing.signal)
    if (waitMs > 0 && isNew(before) && !isWhole(reading)) {
      return { known: pending, retryAfterMs: waitMs }
    }
    const dated: FileReading =
      reading.outcome === 'Read'
        ? { ...reading, mtimeMs: Number(found.stats?.mtimeMs ?? 0) }
        : { ...reading, text: content.text }
    return { known: { stamp, text: content.text, reading: dated, cache } }
  }

  /** How long until the file has been quiet for long enough; 0 when it has. */
  #busyMs(stats: BigIntStats | undefined): number {
    const age = ageMs(stats)
    const { quietMs } = this.#options
    return age >= 0 && age < quietMs - stampSlackMs ? quietMs - age : 0
  }
}

/** Reads one YAML file now, whether or not somebody is writing it. `Gone`: there is none. */
export async function readFileOnce(path: string): Promise<FileReading | 'Gone'> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined)
  const content = await readContent({ file: path, path, stats })
  if (content.outcome !== 'Read') {
    return content.outcome === 'Gone' ? 'Gone' : broken(content.message)
  }
  const { reading } = await readText(content.text)
  return reading.outcome === 'Read'
    ? { ...reading, mtimeMs: Number(stats?.mtimeMs ?? 0) }
    : { ...reading, text: content.text }
}

const pending: KnownFile = {
  stamp: '',
  text: '',
  reading: { outcome: 'Pending' },
  cache: nothing,
}

function stampOf(stats: BigIntStats | undefined): string {
  return stats === undefined
    ? 'no stats'
    : `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
}

/** Since the last change of content or name; negative where the file server's clock is ahead. */
function ageMs(stats: BigIntStats | undefined): number {
  const changed = stats === undefined ? 0 : Math.max(Number(stats.mtimeMs), Number(stats.ctimeMs))
  return Date.now() - changed
}

function isNew(before: KnownFile | undefined): boolean {
  return before === undefined || before === pending
}

/** Nothing is cut off in it, as far as one can see. */
function isWhole(reading: TextReading): boolean {
  return (
    reading.outcome === 'Read' &&
    reading.objects.length > 0 &&
    reading.objects.every((object) => object.outcome === 'Foreign' || object.object !== undefined)
  )
}

function isBeginningOf(text: string, whole: string | undefined): boolean {
  return whole !== undefined && text.length < whole.length && whole.startsWith(text)
}

type Content =
  | { readonly outcome: 'Read'; readonly text: string; readonly stamp: string }
  | { readonly outcome: 'Broken'; readonly message: string }
  | { readonly outcome: 'Gone' }

async function readContent({ path, stats }: FoundFile): Promise<Content> {
  if (stats !== undefined && !stats.isFile()) {
    return { outcome: 'Broken', message: 'is no regular file' }
  }
  if (stats !== undefined && stats.size > maxFileBytes) {
    return { outcome: 'Broken', message: 'is larger than 4 MiB; split it into several files' }
  }
  try {
    await using handle = await open(path, 'r')
    const bytes = await handle.readFile()
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return { outcome: 'Read', text, stamp: stampOf(await handle.stat({ bigint: true })) }
  } catch (error) {
    if (error instanceof TypeError) {
      return { outcome: 'Broken', message: 'is not UTF-8 text; save it as UTF-8' }
    }
    return (await exists(path))
      ? { outcome: 'Broken', message: unreadableWords(errorCode(error)) }
      : { outcome: 'Gone' }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    return errorCode(error) !== 'ENOENT'
  }
}

function unreadableWords(code: string): string {
  return code === 'ENOENT' || code === 'ELOOP'
    ? 'is a link that points nowhere'
    : `cannot be read (${code})`
}

function broken(message: string): FileReading {
  return {
    outcome: 'Broken',
    problem: { position: { line: 1, column: 1 }, message, severity: 'Error' },
    text: '',
  }
}
