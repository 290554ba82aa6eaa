import { digestIn, type AdapterRecord } from './adapter-record.ts'

export interface SpareTest {
  /** In use, or lately. */
  readonly isBusy: (record: AdapterRecord) => boolean
}

/** Of the content that is merely allowed, and neither on the engine nor used for a while, the least recently used. */
export function spareDigest(
  records: readonly AdapterRecord[],
  { isBusy }: SpareTest,
): string | undefined {
  const isSpare = (record: AdapterRecord): boolean => isAtRest(record) && !isBusy(record)
  // Another revision of the same content, or a name on the engine that an earlier agent gave it.
  const taken = new Set(
    records
      .filter((record) => !isSpare(record))
      .flatMap(({ digest, registration }) => [digest, digestIn(registration?.root)]),
  )
  let oldest: AdapterRecord | undefined
  for (const record of records) {
    const isCandidate = record.stored !== undefined && isSpare(record) && !taken.has(record.digest)
    if (isCandidate && record.lastUsedMs < (oldest?.lastUsedMs ?? Number.POSITIVE_INFINITY)) {
      oldest = record
    }
  }
  return oldest?.digest
}

function isAtRest({ want, registration, loading, coming }: AdapterRecord): boolean {
  return want === 'Allowed' && registration === undefined && !loading && !coming
}
