import { replicaBound } from '../../../core/replica-bound.ts'
import type { EngineCosts } from '../../../core/route-cost.ts'
import type { Tape, TapeRequest } from '../tape.ts'

export interface NeedOptions {
  readonly costs: EngineCosts
  readonly tpotMs: number
  readonly windowMs: number
}

/**
 * R_LB of every window of a tape, not rounded: what its requests need if no step may take longer than `tpotMs`. A window
 * of about the time that a request runs (200 tokens of 50 ms) is as short as makes sense: it is what a batch averages.
 */
export function needOfTape(tape: Tape, { costs, tpotMs, windowMs }: NeedOptions): Float64Array {
  const windows: TapeRequest[][] = []
  for (const request of tape) {
    const index = Math.floor(request.atMs / windowMs)
    while (windows.length <= index) {
      windows.push([])
    }
    windows[index]?.push(request)
  }
  const seconds = windowMs / 1000
  const outputTokens = sumOf(tape, 'outputTokens') / Math.max(1, tape.length)
  return Float64Array.from(windows, (requests) => {
    const counts = new Map<string, number>()
    for (const { adapter } of requests) {
      if (adapter !== '') {
        counts.set(adapter, (counts.get(adapter) ?? 0) + 1)
      }
    }
    const load = {
      inputPerSecond: sumOf(requests, 'inputTokens') / seconds,
      outputPerSecond: sumOf(requests, 'outputTokens') / seconds,
      outputTokens,
      adapterRates: Array.from(counts.values(), (count) => count / seconds),
    }
    return replicaBound(costs, load, tpotMs)
  })
}

function sumOf(requests: Tape, field: 'inputTokens' | 'outputTokens'): number {
  return requests.reduce((sum, request) => sum + request[field], 0)
}
