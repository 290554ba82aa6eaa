export interface WaitOptions {
  /** Replicas needed in each window, not rounded. */
  readonly need: Float64Array
  readonly windowMs: number
  readonly coldStartMs: number
  readonly initial: number
  /** Orders at most so many times the need. */
  readonly most: number
}

/**
 * Windows in which nobody could have had replicas enough, who does not know the future: 1 where an arrival has to wait.
 * Whoever it is orders `most` × the need at the moment at which it is there, has that a cold start later, and keeps it
 * for another cold start. While the need is above what it has, work piles up; the wait lasts until that is done.
 */
export function unavoidableWait(options: WaitOptions): Uint8Array {
  const { need, windowMs, coldStartMs, initial, most } = options
  const late = Math.ceil(coldStartMs / windowMs)
  const waits = new Uint8Array(need.length)
  let backlog = 0
  for (const [index, value] of need.entries()) {
    let there = index < 2 * late ? initial : 0
    for (let ordered = Math.max(0, index - 2 * late); ordered <= index - late; ordered += 1) {
      there = Math.max(there, Math.ceil(most * (need[ordered] ?? 0)))
    }
    backlog = Math.max(0, backlog + value - there)
    waits[index] = backlog > 0 ? 1 : 0
  }
  return waits
}
