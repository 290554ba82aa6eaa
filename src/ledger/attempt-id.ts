import { randomUUID } from 'node:crypto'

/** An id for an attempt's hold and its usage record. It sorts by time: a table of records then grows at its end. */
export function attemptId(nowMs: number): string {
  return `${nowMs.toString(36).padStart(9, '0')}-${randomUUID()}`
}
