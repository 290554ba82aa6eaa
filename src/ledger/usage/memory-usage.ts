import { bucketStarts } from './bucket-of.ts'
import {
  usageAmounts,
  type UsageAmount,
  type UsageGroup,
  type UsageQuery,
  type UsageRecord,
  type UsageRow,
  type UsageStore,
} from './types.ts'

interface Sum extends Record<UsageAmount, bigint> {
  readonly bucketMs: number
  readonly group: Readonly<Partial<Record<UsageGroup, string>>>
  requests: bigint
  inexact: bigint
}

/** For tests and for a first look: bounded, and gone with the process. The oldest records go first. */
export class MemoryUsage implements UsageStore {
  readonly #records = new Map<string, UsageRecord>()
  readonly #maxRecords: number

  constructor(maxRecords = 100_000) {
    this.#maxRecords = maxRecords
  }

  async append(records: readonly UsageRecord[]): Promise<void> {
    for (const record of records) {
      const known = this.#records.get(record.attemptId)
      if (known === undefined || isBetter(record, known)) {
        this.#records.set(record.attemptId, record)
      }
    }
    for (const id of this.#records.keys()) {
      if (this.#records.size <= this.#maxRecords) {
        break
      }
      this.#records.delete(id)
    }
  }

  async query(query: UsageQuery): Promise<readonly UsageRow[]> {
    const starts = bucketStarts(query)
    const sums = new Map<string, Sum>()
    for (const record of this.#records.values()) {
      const isMeant = query.tenant === undefined || record.tenant === query.tenant
      if (isMeant && record.atMs >= query.fromMs && record.atMs < query.toMs) {
        add(sums, record, starts.findLast((start) => start <= record.atMs) ?? 0, query.groupBy)
      }
    }
    return [...sums.entries()]
      .toSorted(([left, a], [right, b]) => a.bucketMs - b.bucketMs || (left < right ? -1 : 1))
      .map(([, sum]) => sum)
      .slice(0, query.limit)
  }

  async forget(beforeMs: number): Promise<number> {
    const old = [...this.#records.values()].filter(({ atMs }) => atMs < beforeMs)
    for (const { attemptId } of old) {
      this.#records.delete(attemptId)
    }
    return old.length
  }

  async close(): Promise<void> {}
}

function isBetter(record: UsageRecord, known: UsageRecord): boolean {
  const isMore = record.exactness === 'Exact' || record.outputTokens > known.outputTokens
  return known.exactness === 'LowerBound' && isMore
}

function add(
  sums: Map<string, Sum>,
  record: UsageRecord,
  bucketMs: number,
  groupBy: readonly UsageGroup[],
): void {
  const key = [bucketMs, ...groupBy.map((name) => record[name])].join('\0')
  const known = sums.get(key)
  const sum: Sum = known ?? {
    bucketMs,
    group: Object.fromEntries(groupBy.map((name) => [name, record[name]])),
    requests: 0n,
    inexact: 0n,
    inputTokens: 0n,
    cachedTokens: 0n,
    outputTokens: 0n,
    gpuMs: 0n,
    inputNanos: 0n,
    cachedNanos: 0n,
    outputNanos: 0n,
    gpuNanos: 0n,
  }
  sum.requests += 1n
  sum.inexact += record.exactness === 'Exact' ? 0n : 1n
  for (const name of usageAmounts) {
    sum[name] += BigInt(record[name])
  }
  sums.set(key, sum)
}
