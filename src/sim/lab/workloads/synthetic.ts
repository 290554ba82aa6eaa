import { arrivalGap, createRandom, cumulativeOf, drawIndex, lengthOf } from '../random.ts'
import type { Tape, TapeRequest } from '../tape.ts'

export interface SyntheticOptions {
  readonly adapters: number
  /** Exponent of Zipf's law: 0 is uniform. */
  readonly zipf: number
  /** Requests a second, all together. */
  readonly rate: number
  readonly seconds: number
  readonly seed: number
  /** Coefficient of variation of gaps; 1 is Poisson. */
  readonly cv?: number
  readonly inputMean?: number
  readonly outputMean?: number
}

/** One tenant an adapter, popularity by Zipf's law. */
export function syntheticTape(options: SyntheticOptions): Tape {
  const { adapters, zipf, rate, seconds, cv = 1, inputMean = 220, outputMean = 195 } = options
  const random = createRandom(options.seed)
  const weights = cumulativeOf(Array.from({ length: adapters }, (_, rank) => (rank + 1) ** -zipf))
  const tape: TapeRequest[] = []
  for (let atMs = 0; ;) {
    atMs += (arrivalGap(random, cv) * 1000) / rate
    if (atMs > seconds * 1000) {
      return tape
    }
    const adapter = `a${drawIndex(random, weights)}`
    tape.push({
      atMs,
      tenant: adapter,
      adapter,
      inputTokens: lengthOf(random, inputMean, 1.2),
      outputTokens: lengthOf(random, outputMean, 1),
      blocks: [],
    })
  }
}
