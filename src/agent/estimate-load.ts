import type { AdapterRecord } from './adapter-record.ts'

export interface LoadTimes {
  readonly nowMs: number
  /** Until the engine is up; 0 where it is. */
  readonly startMs: number
  /** One load and one canary. */
  readonly unitMs: number
}

/** Its own load and canary, those ahead of it, and the engine's start where it is away. */
export function estimateLoadMs(
  records: Iterable<AdapterRecord>,
  revision: string,
  { nowMs, startMs, unitMs }: LoadTimes,
): number {
  let ahead = 0
  let retryAtMs = 0
  for (const record of records) {
    if (record.revision === revision) {
      retryAtMs = record.failure?.retryAtMs ?? 0
    } else if (record.loading) {
      ahead += 1
    }
  }
  return Math.max(startMs, retryAtMs - nowMs) + (1 + ahead) * unitMs
}
