import { randomUUID } from 'node:crypto'

/** An id for an attempt's hold and its usage record. It sorts by time: a table of records then grows at its end. */
export function attemptId(nowMs: number): string {
  if (nowMs !== last.ms) {
    last = { ms: nowMs, text: nowMs.toString(36).padStart(9, '0') }
  }
  return `${last.text}-${randomUUID()}`
}

/** Of the millisecond of the last id: each has many. */
let last = { ms: Number.NaN, text: '' }
