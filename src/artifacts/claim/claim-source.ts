import type { Readable } from 'node:stream'
import { Client } from 'undici'
import {
  claimEntries,
  claimOutcome,
  claimRoutes,
  maxOutcomeBytes,
  type ClaimOutcome,
} from '../../wire/claim-protocol.ts'
import type { ClaimReader } from '../../wire/depot-protocol.ts'
import { isAdapterFileName, maxConfigBytes } from '../adapter-files.ts'
import type { ContentStore } from '../content-store.ts'
import { sourceFailed, tooLarge } from '../folder-source.ts'
import type { StagingFolder } from '../staging-folder.ts'
import { codeOf, StorageError } from '../storage-error.ts'
import { tarEntries, type TarEntry } from '../tar-entries.ts'
import { fillFromArchiveBytes } from '../tar-source.ts'
import type { FetchOutcome } from '../types.ts'

export interface ClaimFetch {
  readonly reader: ClaimReader
  /** Inside the claim. */
  readonly path: string
  readonly store: ContentStore
  readonly expectedDigest?: string | undefined
  readonly maxBytes: number
  readonly signal: AbortSignal
}

/** An adapter on a claim, from the pod that has it mounted. Its limits, its digest and what it is worth are ours to judge. */
export async function fetchFromClaim(fetch: ClaimFetch): Promise<FetchOutcome> {
  const { reader, path, store, signal } = fetch
  // A second look at files that were written a moment ago takes its time.
  const timeouts = { headersTimeout: 60_000, bodyTimeout: 300_000 }
  const client = new Client(reader.url, { connect: { timeout: 5000 }, ...timeouts })
  try {
    const { statusCode, body } = await client.request({
      method: 'GET',
      path: claimRoutes.adapter(path),
      headers: { authorization: `Bearer ${reader.token}` },
      signal,
    })
    if (statusCode !== 200) {
      return unreachable(`answers ${statusCode}`)
    }
    return await store.put(
      (staging) => fillFromReader(staging, body, fetch),
      fetch.expectedDigest?.replace(/^sha256:/, ''),
    )
  } catch (error) {
    signal.throwIfAborted()
    return unreachable(`does not answer (${codeOf(error) ?? 'broken off'})`)
  } finally {
    await client.destroy()
  }
}

async function fillFromReader(
  staging: StagingFolder,
  body: Readable,
  fetch: Pick<ClaimFetch, 'maxBytes' | 'signal'>,
): Promise<FetchOutcome | undefined> {
  try {
    for await (const entry of tarEntries(body)) {
      const taken = await take(staging, entry, fetch)
      if (taken !== undefined) {
        return taken.outcome === 'Read' ? undefined : taken
      }
    }
  } catch (error) {
    fetch.signal.throwIfAborted()
    if (error instanceof StorageError) {
      throw error
    }
  }
  return unreachable('broke off')
}

/** One entry; something is answered where nothing after it matters. */
async function take(
  staging: StagingFolder,
  { header: { name, type, size }, content }: TarEntry,
  { maxBytes, signal }: Pick<ClaimFetch, 'maxBytes' | 'signal'>,
): Promise<FetchOutcome | ClaimOutcome | undefined> {
  if (type === 'file' && name === claimEntries.outcome && size <= maxOutcomeBytes) {
    return readOutcome(staging, content)
  }
  if (type === 'file' && name === claimEntries.archive && staging.sizeBytes === 0) {
    return fillFromArchiveBytes(staging, { content, maxBytes, signal })
  }
  if (type !== 'file' || !isAdapterFileName(name) || staging.digestOfFile(name) !== undefined) {
    return sourceFailed('SourceUnreadable', 'The pod that reads the claim sent no adapter.')
  }
  const left = maxBytes - staging.sizeBytes
  const limit = name === 'adapter_config.json' ? Math.min(maxConfigBytes, left) : left
  // The announced size first: what is too large is not sent up to the limit.
  return size > limit || (await staging.write(name, content, limit)) === 'TooLarge'
    ? { outcome: 'Refused', problem: tooLarge(name, maxBytes) }
    : undefined
}

async function readOutcome(
  staging: StagingFolder,
  content: TarEntry['content'],
): Promise<FetchOutcome | ClaimOutcome> {
  const pieces: Uint8Array[] = []
  for await (const piece of content) {
    pieces.push(piece)
  }
  const outcome = claimOutcome.parse(JSON.parse(Buffer.concat(pieces).toString('utf8')))
  return outcome.outcome === 'Read' && staging.digest === undefined
    ? unreachable('did not send the whole adapter')
    : outcome
}

function unreachable(words: string): FetchOutcome {
  return sourceFailed(
    'SourceUnreachable',
    `The pod that reads the claim ${words}. The fetch is tried again.`,
  )
}
