import { createHash } from 'node:crypto'
import { adapterFileNames, maxConfigBytes } from './adapter-files.ts'
import type { ContentStore } from './content-store.ts'
import { defaultMaxAdapterBytes } from './file-source.ts'
import { tooLarge } from './folder-source.ts'
import { DownloadError } from './https/download-error.ts'
import { GuardedHttp, type GuardedHttpOptions } from './https/guarded-http.ts'
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
}

/** Room in an archive for what is read past. */
const maxOtherBytes = 64 * 1024 * 1024

/** Fetches an adapter into the store. Everything about the source is an outcome; rejects with the signal's reason. */
export async function fetchFromHttps(fetch: HttpsFetch): Promise<FetchOutcome> {
  const { url, store, signal, expectedDigest } = fetch
  const limit = AbortSignal.timeout(fetch.limitMs ?? 3_600_000)
  const both = signal === undefined ? limit : AbortSignal.any([signal, limit])
  const http = new GuardedHttp(fetch.http)
  try {
    return await store.put(
      (staging) =>
        url.endsWith('/')
          ? fillFromTwoFiles(staging, http, { ...fetch, signal: both })
          : fillFromOneArchive(staging, http, { ...fetch, signal: both }),
      expectedDigest?.replace(/^sha256:/, ''),
    )
  } catch (error) {
    signal?.throwIfAborted()
    if (limit.aborted) {
      const words = 'The fetch took too long and was stopped. It is tried again.'
      return new DownloadError('SourceUnreachable', words, true).outcome
    }
    if (error instanceof DownloadError) {
      return error.outcome
    }
    throw error
  } finally {
    await http.close()
  }
}

async function fillFromTwoFiles(
  staging: StagingFolder,
  http: GuardedHttp,
  fetch: HttpsFetch,
): Promise<FetchOutcome | undefined> {
  const { maxBytes = defaultMaxAdapterBytes } = fetch
  for (const name of adapterFileNames) {
    const limit =
      name === 'adapter_config.json' ? maxConfigBytes : Math.max(0, maxBytes - staging.sizeBytes)
    const content = resumedContent(http, fetch.url + name, optionsOf(fetch, limit + 1))
    if ((await staging.write(name, content, limit)) === 'TooLarge') {
      return { outcome: 'Refused', problem: tooLarge(name, maxBytes) }
    }
  }
  // Two files have no common version: the smaller one is asked for again, once the larger one is here.
  const hash = createHash('sha256')
  const again = resumedContent(
    http,
    `${fetch.url}adapter_config.json`,
    optionsOf(fetch, maxConfigBytes),
  )
  for await (const chunk of again) {
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
  http: GuardedHttp,
  fetch: HttpsFetch,
): Promise<FetchOutcome | undefined> {
  const { url, signal, maxBytes = defaultMaxAdapterBytes } = fetch
  const content = resumedContent(http, url, optionsOf(fetch, maxBytes + maxOtherBytes))
  return fillFromArchiveBytes(staging, { content, maxBytes, signal })
}

function optionsOf({ signal, resume }: HttpsFetch, maxBytes: number): ResumeOptions {
  return { ...resume, signal, maxBytes }
}
