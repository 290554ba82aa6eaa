import type { Exactness } from '../types.ts'

/** What one attempt used, as it is billed. Whole numbers; money in nanos of the currency: see `core/money.ts`. */
export interface UsageRecord {
  /** The attempt's own id (`attempt-id.ts`): a record told twice counts once. */
  readonly attemptId: string
  /** When the attempt ended. */
  readonly atMs: number
  readonly tenant: string
  readonly namespace: string
  /** `''` is the base model. */
  readonly adapter: string
  readonly revision: string
  readonly pool: string
  readonly keyId: string
  /** Of the caller's user, never its name; `''` where none was given. */
  readonly userHash: string
  readonly inputTokens: number
  /** Part of the input. */
  readonly cachedTokens: number
  readonly outputTokens: number
  readonly gpuMs: number
  readonly inputNanos: number
  readonly cachedNanos: number
  readonly outputNanos: number
  readonly gpuNanos: number
  readonly exactness: Exactness
}

/** By what sums can be split. */
export const usageGroups = [
  'tenant',
  'namespace',
  'adapter',
  'revision',
  'pool',
  'keyId',
  'userHash',
] as const
export type UsageGroup = (typeof usageGroups)[number]

/** What is added up. */
export const usageAmounts = [
  'inputTokens',
  'cachedTokens',
  'outputTokens',
  'gpuMs',
  'inputNanos',
  'cachedNanos',
  'outputNanos',
  'gpuNanos',
] as const
export type UsageAmount = (typeof usageAmounts)[number]

export interface UsageQuery {
  /** From this moment, up to and without the other. */
  readonly fromMs: number
  readonly toMs: number
  /** Absent: all tenants. */
  readonly tenant?: string
  /** One sum for each of these: moments at which buckets start, ascending. Absent: one for the whole time. */
  readonly bucketsMs?: readonly number[]
  readonly groupBy: readonly UsageGroup[]
  /** At most so many rows. */
  readonly limit: number
}

/** Sums may pass 2^53. Rows come by bucket, then by group. */
export interface UsageRow extends Readonly<Record<UsageAmount, bigint>> {
  readonly bucketMs: number
  readonly group: Readonly<Partial<Record<UsageGroup, string>>>
  readonly requests: bigint
  /** So many of them are not exact. */
  readonly inexact: bigint
}

/** Append-only. Calls reject with a `LedgerError` when the store cannot answer. */
export interface UsageStore {
  /**
   * All of them or none. One that is there already is left as it is, unless it was a lower bound and more is known now: a
   * gateway that was taken for dead ended its request after all.
   */
  append(records: readonly UsageRecord[]): Promise<void>
  query(query: UsageQuery): Promise<readonly UsageRow[]>
  /** Deletes what is older; answers how many. */
  forget(beforeMs: number): Promise<number>
  close(): Promise<void>
}
