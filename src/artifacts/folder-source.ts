import { constants } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { open, readdir, readlink, realpath, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { adapterFileNames, maxConfigBytes } from './adapter-files.ts'
import type { AdapterFileName } from './adapter-files.ts'
import type { AdapterSink } from './adapter-sink.ts'
import { contentOf, sha256OfHandle } from './digest.ts'
import { configTooLarge } from './peft-config.ts'
import { configMissing, weightsMissing } from './preflight-snapshot.ts'
import { problem } from './problems.ts'
import type { ProblemReason } from './problems.ts'
import { codeOf, StorageError } from './storage-error.ts'
import type { AdapterProblem, FetchOutcome } from './types.ts'

export interface FolderSource {
  /** Absolute. */
  readonly folder: string
  /** Links resolved; the folder has to be it or lie in it. Undefined: anywhere. */
  readonly root?: string | undefined
  readonly maxBytes: number
  readonly signal: AbortSignal | undefined
}

interface OpenFile {
  readonly name: AdapterFileName
  readonly handle: FileHandle
  readonly before: BigIntStats
  /** Milliseconds since the epoch. */
  readonly openedAt: number
}

type OpenOutcome =
  | { readonly ok: true; readonly file: OpenFile }
  | { readonly ok: false; readonly outcome: FetchOutcome }

/** Copies the two files of a folder. Undefined: both are written, and were not touched meanwhile. */
export async function fillFromFolder(
  sink: AdapterSink,
  source: FolderSource,
): Promise<FetchOutcome | undefined> {
  const opened: OpenFile[] = []
  try {
    const folder = await realpath(source.folder)
    if (!isInside(folder, source.root)) {
      return refused(problem('SourceUnsafe', 'The path leads out of the place it names.'))
    }
    // Both are opened before either is read: they are then of one moment, whatever is renamed over them.
    for (const name of adapterFileNames) {
      const outcome = await openFile(folder, name)
      if (!outcome.ok) {
        return outcome.outcome
      }
      opened.push(outcome.file)
    }
    return (await copyAll(sink, opened, source)) ?? (await changed(sink, folder, opened, source))
  } catch (error) {
    if (
      error instanceof StorageError ||
      source.signal?.aborted === true ||
      codeOf(error) === undefined
    ) {
      source.signal?.throwIfAborted()
      throw error
    }
    return sourceFailed(
      'SourceUnreadable',
      `The adapter's files could not be read (${codeOf(error)}).`,
    )
  } finally {
    await Promise.all(opened.map(({ handle }) => handle.close()))
  }
}

async function copyAll(
  sink: AdapterSink,
  files: readonly OpenFile[],
  source: FolderSource,
): Promise<FetchOutcome | undefined> {
  for (const { name, handle, before } of files) {
    const limit =
      name === 'adapter_config.json'
        ? Math.min(maxConfigBytes, source.maxBytes)
        : source.maxBytes - sink.sizeBytes
    const content = contentOf(handle, source.signal)
    const written = await sink.write(name, content, limit, Number(before.size))
    if (written === 'TooLarge') {
      return refused(tooLarge(name, source.maxBytes))
    }
  }
  return undefined
}

export function tooLarge(name: AdapterFileName, maxBytes: number): AdapterProblem {
  return name === 'adapter_config.json'
    ? configTooLarge()
    : problem(
        'AdapterTooLarge',
        `The adapter is larger than ${maxBytes} bytes, the most that is stored here. Train with a smaller rank or fewer target modules, or save the weights in bf16.`,
      )
}

/** Links may stay in the adapter's folder, as in a volume of a ConfigMap, or lead into the blobs of the same Hugging Face cache entry. */
async function openFile(folder: string, name: AdapterFileName): Promise<OpenOutcome> {
  let handle: FileHandle | undefined
  try {
    // Not blocking: a pipe under this name must not hold us. The link's target is looked at once it is open, so that
    // nobody can swap it in between.
    handle = await open(join(folder, name), constants.O_RDONLY | constants.O_NONBLOCK)
    const before = await handle.stat({ bigint: true })
    const unsafe = await unsafeDetail(folder, name, handle, before)
    if (unsafe === undefined) {
      const file = { name, handle, before, openedAt: Date.now() }
      handle = undefined
      return { ok: true, file }
    }
    return { ok: false, outcome: refused(problem('SourceUnsafe', unsafe)) }
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT') {
      return { ok: false, outcome: refused(await missing(folder, name)) }
    }
    if (code === 'ELOOP' || code === 'ENXIO' || code === 'ENOTDIR') {
      const detail = `${name} is not a regular file. Copy the file itself into the adapter's folder.`
      return { ok: false, outcome: refused(problem('SourceUnsafe', detail)) }
    }
    throw error
  } finally {
    await handle?.close()
  }
}

async function missing(folder: string, name: AdapterFileName): Promise<AdapterProblem> {
  return name === 'adapter_config.json' ? configMissing() : weightsMissing(await readdir(folder))
}

async function unsafeDetail(
  folder: string,
  name: AdapterFileName,
  handle: FileHandle,
  before: BigIntStats,
): Promise<string | undefined> {
  if (!before.isFile()) {
    return `${name} is not a regular file. Copy the file itself into the adapter's folder.`
  }
  const actual = await actualPath(join(folder, name), handle)
  return isInside(actual, folder) || isCacheBlob(folder, actual)
    ? undefined
    : `${name} is a link that leaves the adapter's folder. Copy the file there, or point source.uri at the folder it links to.`
}

/** `path` and `root` without links. */
export function isInside(path: string, root: string | undefined): boolean {
  return root === undefined || path === root || path.startsWith(root === sep ? sep : root + sep)
}

/** Linux tells the path of what is open; elsewhere the path is resolved again. */
export async function actualPath(path: string, handle: FileHandle): Promise<string> {
  return readlink(`/proc/self/fd/${handle.fd}`).catch(() => realpath(path))
}

/** `…/models--org--name/snapshots/<commit>` links to `…/models--org--name/blobs/<hash>`. */
function isCacheBlob(folder: string, actual: string): boolean {
  const snapshots = dirname(folder)
  return (
    basename(snapshots) === 'snapshots' &&
    actual.startsWith(join(dirname(snapshots), 'blobs') + sep)
  )
}

/** A write this long before the copy leaves another time stamp than one during it, on any file system in use. */
const settledMs = 2_000n

/**
 * A file that changes while it is copied would enter the store as a mixture that nobody ever wrote. The open file and
 * the path are both compared with the start; time stamps have coarse ticks, so what was written just before the copy
 * is read a second time.
 */
async function changed(
  sink: AdapterSink,
  folder: string,
  files: readonly OpenFile[],
  source: FolderSource,
): Promise<FetchOutcome | undefined> {
  for (const { name, handle, before, openedAt } of files) {
    const recent = BigInt(openedAt) - before.ctimeNs / 1_000_000n < settledMs
    const again = recent ? await sha256OfHandle(handle, source.signal) : sink.digestOfFile(name)
    const opened = await handle.stat({ bigint: true })
    const named = await stat(join(folder, name), { bigint: true }).catch(() => undefined)
    if (
      again !== sink.digestOfFile(name) ||
      !isSameFile(before, opened) ||
      named === undefined ||
      !isSameFile(before, named)
    ) {
      return sourceFailed(
        'SourceChanged',
        `${name} changed while it was copied. It is copied again once it is left alone; write new versions beside the old one and rename them.`,
      )
    }
  }
  return undefined
}

/** The same file, untouched. */
export function isSameFile(a: BigIntStats, b: BigIntStats): boolean {
  return (
    a.ino === b.ino &&
    a.dev === b.dev &&
    a.size === b.size &&
    a.mtimeNs === b.mtimeNs &&
    a.ctimeNs === b.ctimeNs
  )
}

function refused(cause: AdapterProblem): FetchOutcome {
  return { outcome: 'Refused', problem: cause }
}

export function sourceFailed(reason: ProblemReason, message: string): FetchOutcome {
  return { outcome: 'Failed', problem: problem(reason, message) }
}
