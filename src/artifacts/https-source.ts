import { createHash } from 'node:crypto'
import { adapterFileNames, maxConfigBytes } from './adapter-files.ts'
import type { ContentStore } from './content-store.ts'
import { defaultMaxAdapterBytes } from './file-source.ts'
import { tooLarge } from './folder-source.ts'
import { DownloadError } from './https/download-error.ts'
import { GuardedHttp, type GuardedHttpOptions } from './https/guarded-http.ts'
import { Pace, type PaceOptions } from './https/pace.ts'
import { resumedContent, type ResumeOptions } from './https/resumed-content.ts'
import type { StagingFolder } from './staging-folder.ts'
import { fillFromArchiveBytes } from './tar-source.ts'
import type { FetchOutcome } from './types.ts'

export interface HttpsFetch {
  /** Ends in `/`: a folder with the two files. Else a `.tar.gz`. */
  readonly url: string
  readonly store: ContentStore
  readonly http: GuardedHttpOptions
  readonly expectedDigest?: string | undefined
  readonly maxBytes?: number | undefined
  /** For the whole fetch; an hour. */
  readonly limitMs?: number
  readonly signal?: AbortSignal | undefined
  readonly resume?: Partial<ResumeOptions>
  readonly pace?: Partial<PaceOptions> | undefined
}

interface PacedFetch extends HttpsFetch {
  readonly read: (url: string, maxBytes: number) => AsyncGenerator<Uint8Array>
}

/** Room in an archive for what is read past. */
const maxOtherBytes = 64 * 1024 * 1024

/** Fetches an adapter into the store. Everything about the source is an outcome; rejects with the signal's reason. */
export async function fetchFromHttps(fetch: HttpsFetch): Promise<FetchOutcome> {
  const { url, store, signal, expectedDigest } = fetch
  const limit = AbortSignal.timeout(fetch.limitMs ?? 3_600_000)
  const pace = new Pace(fetch.pace)
  const ends = [limit, pace.signal, ...(signal === undefined ? [] : [signal])]
  const any = AbortSignal.any(ends)
  const http = new GuardedHttp(fetch.http)
  const paced: PacedFetch = {
    ...fetch,
    signal: any,
    read: (from, maxBytes) =>
      pace.of(resumedContent(http, from, { ...fetch.resume, signal: any, maxBytes })),
  }
  try {
    return await store.put(
      (staging) =>
        url.endsWith('/') ? fillFromTwoFiles(staging, paced) : fillFromOneArchive(staging, paced),
      expectedDigest?.replace(/^sha256:/, ''),
    )
  } catch (error) {
    signal?.throwIfAborted()
    if (pace.signal.aborted) {
      return (pace.signal.reason as DownloadError).outcome
    }
    if (limit.aborted) {
      const words = 'The fetch took too long and was stopped. It is tried again.'
      return new DownloadError('SourceUnreachable', words, true).outcome
    }
    if (error instanceof DownloadError) {
      return error.outcome
    }
    throw error
  } finally {
    pace.close()
    await http.close()
  }
}

async function fillFromTwoFiles(
  staging: StagingFolder,
  fetch: PacedFetch,
): Promise<FetchOutcome | undefined> {
  const { url, read, maxBytes = defaultMaxAdapterBytes } = fetch
  for (const name of adapterFileNames) {
    const limit =
      name === 'adapter_config.json' ? maxConfigBytes : Math.max(0, maxBytes - staging.sizeBytes)
    const content = read(url + name, limit + 1)
    if ((await staging.write(name, content, limit)) === 'TooLarge') {
      return { outcome: 'Refused', problem: tooLarge(name, maxBytes) }
    }
  }
  // Two files have no common version: the smaller one is asked for again, once the larger one is here.
  const hash = createHash('sha256')
  for await (const chunk of read(`${url}adapter_config.json`, maxConfigBytes)) {
    hash.update(chunk)
  }
  if (hash.digest('hex') !== staging.digestOfFile('adapter_config.json')) {
    const words = 'The files changed on their server while they were fetched. It is tried again.'
    return new DownloadError('SourceChanged', words, true).outcome
  }
  return undefined
}

function fillFromOneArchive(
  staging: StagingFolder,
  fetch: PacedFetch,
): Promise<FetchOutcome | undefined> {
  const { url, read, signal, maxBytes = defaultMaxAdapterBytes } = fetch
  const content = read(url, maxBytes + maxOtherBytes)
  return fillFromArchiveBytes(staging, { content, maxBytes, signal })
}
