import { cp, mkdir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../errors.ts'
import { FairTurnstile } from '../../wire/fair-turnstile.ts'
import { parseSourceUri, type SourceUri } from '../source-uri.ts'
import { codeOf } from '../storage-error.ts'
import { lacksOf } from './checkpoint-check.ts'
import { isWhole, readMarker, removeMarker, writeMarker, type DoneMarker } from './done-marker.ts'
import { downloadFile, partEnding, type DownloadPlace } from './download-file.ts'
import { lockingFolder } from './folder-lock.ts'
import { HubClient, type HubModel } from './hub-client.ts'
import { HubError } from './hub-error.ts'
import { Progress } from './progress.ts'
import { wantedFiles } from './wanted-files.ts'

export interface FetchModelOptions {
  /** `hf://org/name@revision`, `pvc://claim/path` or `file:///folder`. */
  readonly uri: string
  /** The folder that is to hold the checkpoint. */
  readonly to: string
  /** Where claims are mounted for `pvc://`. */
  readonly claimsFolder: string
  readonly hub: { readonly endpoint: string; readonly token: string | undefined }
  readonly say: (words: string) => void
  readonly signal: AbortSignal
  readonly retries?: Pick<DownloadPlace, 'firstDelayMs' | 'maxBreaks'>
}

const maxParallel = 4

/** Fills a folder with a base model. @throws UserError in words for the pool's operator. */
export async function fetchModel(options: FetchModelOptions): Promise<void> {
  const parsed = parseSourceUri(options.uri, '/')
  if (!parsed.ok) {
    throw new UserError(parsed.problem.message)
  }
  try {
    await mkdir(options.to, { recursive: true })
    if (parsed.source.scheme === 'hf') {
      await fetchFromHub(parsed.source, options)
    } else {
      await copyFrom(folderOf(parsed.source, options), options)
    }
  } catch (error) {
    throw explain(error, options)
  }
  const lacks = await lacksOf(options.to)
  if (lacks.length > 0) {
    throw new UserError(`${options.uri} is no checkpoint that can be served. ${lacks.join(' ')}`)
  }
}

function folderOf(
  source: Exclude<SourceUri, { scheme: 'hf' }>,
  options: FetchModelOptions,
): string {
  switch (source.scheme) {
    case 'file':
      return source.path
    case 'pvc':
      return join(options.claimsFolder, source.claim, source.path)
    case 'https':
      throw new UserError(`${options.uri}: base models come from hf://, pvc:// or file://.`)
    default:
      return source satisfies never
  }
}

/** Checked where it is; copied where it has to be elsewhere. */
async function copyFrom(folder: string, { uri, to, say }: FetchModelOptions): Promise<void> {
  if (folder.replace(/\/$/, '') === to.replace(/\/$/, '')) {
    return
  }
  const lacks = await lacksOf(folder)
  if (lacks.length > 0) {
    throw new UserError(`${uri} is no checkpoint that can be served. ${lacks.join(' ')}`)
  }
  say(`copying ${uri} to ${to}`)
  await cp(folder, to, { recursive: true, dereference: true, preserveTimestamps: true })
}

async function fetchFromHub(
  source: Extract<SourceUri, { scheme: 'hf' }>,
  options: FetchModelOptions,
): Promise<void> {
  const { uri, to, say, signal } = options
  if (await isHere(options)) {
    return
  }
  const onWait = (): void => say('another pod fills this volume; waiting for it')
  const work = async (): Promise<void> => {
    // Whoever was waited for may have done it.
    if (await isHere(options)) {
      return
    }
    const hub = new HubClient(options.hub)
    try {
      const model = await hub.model(source.repository, source.revision, signal)
      say(`${uri} is commit ${model.commit}`)
      await download(hub, source.repository, model, options)
    } finally {
      await hub.close()
    }
  }
  await lockingFolder(to, work, onWait, signal)
}

async function isHere({ uri, to, say }: FetchModelOptions): Promise<boolean> {
  const marker = await readMarker(to)
  const here = marker?.uri === uri && (await isWhole(to, marker))
  if (here) {
    say(`${uri} is here already (commit ${marker.commit})`)
  }
  return here
}

async function download(
  hub: HubClient,
  repository: string,
  model: HubModel,
  options: FetchModelOptions,
): Promise<void> {
  const { uri, to, signal } = options
  const files = wantedFiles(model.files)
  if (!files.some(({ path }) => path.endsWith('.safetensors'))) {
    throw new UserError(
      `${uri} holds no .safetensors file. Only safetensors are fetched: a pickle can run code.`,
    )
  }
  await clearOld(to, new Set(files.map(({ path }) => path)))
  const totalBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  await demandRoom(to, totalBytes, files)
  const progress = new Progress(totalBytes, options.say)
  // One that fails ends the others.
  const failed = new AbortController()
  const place: DownloadPlace = {
    ...options.retries,
    hub,
    repository,
    commit: model.commit,
    folder: to,
    signal: AbortSignal.any([signal, failed.signal]),
    onBytes: (bytes) => progress.add(bytes),
  }
  const lane = new FairTurnstile(maxParallel)
  try {
    await Promise.all(
      files.map((file) => lane.pass(file.path, () => downloadFile(place, file), place.signal)),
    )
  } catch (error) {
    failed.abort(error)
    throw error
  } finally {
    progress.close()
  }
  await writeMarker(to, {
    uri,
    commit: model.commit,
    files: files.map(({ path, sizeBytes }) => ({ path, sizeBytes })),
  })
}

/** Of another commit that the folder held before: an engine would read shards that are not the index's any more. */
async function clearOld(folder: string, keep: ReadonlySet<string>): Promise<void> {
  const before: DoneMarker | undefined = await readMarker(folder)
  await removeMarker(folder)
  for (const { path } of before?.files ?? []) {
    if (!keep.has(path)) {
      await rm(join(folder, path), { force: true })
    }
  }
}

async function demandRoom(
  folder: string,
  totalBytes: number,
  files: readonly { readonly path: string }[],
): Promise<void> {
  const { bavail, bsize } = await statfs(folder)
  const here = await Promise.all(
    files
      .flatMap(({ path }) => [path, path + partEnding])
      .map((path) => sizeOf(join(folder, path))),
  )
  const missing = totalBytes - here.reduce((sum, bytes) => sum + bytes, 0)
  if (missing > bavail * bsize) {
    throw new UserError(
      `The volume has ${gigabytes(bavail * bsize)} GB free, and ${gigabytes(missing)} GB are still to come. Give model.cache of the pool more room.`,
    )
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  )
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1)
}

function explain(error: unknown, { uri, signal }: FetchModelOptions): unknown {
  signal.throwIfAborted()
  if (error instanceof HubError) {
    return new UserError(`${uri} was not fetched: ${error.message}`, 1, error)
  }
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new UserError(
      `The volume is full. Give model.cache of the pool more room than ${uri} needs.`,
      1,
      error,
    )
  }
  return error
}
