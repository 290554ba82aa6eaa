import { createRandom, cumulativeOf, drawIndex, exponential, lengthOf } from '../random.ts'
import type { Tape, TapeRequest } from '../tape.ts'

export interface ModulatedOptions {
  /** Requests a second, at a second of the tape. */
  readonly rateAt: (second: number) => number
  /** Never more than this. */
  readonly peakRate: number
  readonly seconds: number
  readonly seed: number
  readonly adapters?: number
}

/**
 * Poisson arrivals whose rate changes (thinning: P. Lewis and G. Shedler, 1979). Lengths are those of the Azure
 * conversations of 2023 in mean and spread (1,155 and 211 tokens; 0.96 and 0.77), adapters by Zipf's law.
 */
export function modulatedTape(options: ModulatedOptions): Tape {
  const { rateAt, peakRate, seconds, adapters = 16 } = options
  const random = createRandom(options.seed)
  const weights = cumulativeOf(Array.from({ length: adapters }, (_, rank) => 1 / (rank + 1)))
  const tape: TapeRequest[] = []
  for (let atMs = 0; ;) {
    atMs += (exponential(random) * 1000) / peakRate
    if (atMs > seconds * 1000) {
      return tape
    }
    if (random.next() * peakRate < rateAt(atMs / 1000)) {
      const adapter = `a${drawIndex(random, weights)}`
      tape.push({
        atMs,
        tenant: adapter,
        adapter,
        inputTokens: lengthOf(random, 1155, 0.96),
        outputTokens: lengthOf(random, 211, 0.77),
        blocks: [],
      })
    }
  }
}
