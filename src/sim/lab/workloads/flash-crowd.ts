import { createRandom, drawIndex } from '../random.ts'
import { chatRequest } from './chat-request.ts'
import { varyingArrivals } from './varying-arrivals.ts'
import type { Workload } from './workload.ts'
import { zipfWeights } from './zipf-weights.ts'

const factor = 5
const riseSeconds = 2
const staySeconds = 60

/** After a third of the tape, five times the load within two seconds, for a minute. */
export const flashCrowd: Workload = {
  name: 'flash-crowd',
  summary: 'five times the load within 2 s, for 60 s, after a third of the tape',
  source: 'the burst of BurstGPT that BlitzScale, OSDI 2025, is built for',
  knobs: { adapters: 128, rate: 30, seconds: 600, zipf: 1 },
  files: [],
  make({ knob, seed }) {
    const seconds = knob('seconds') ?? 1
    const rate = knob('rate') ?? 1
    const random = createRandom(seed)
    const weights = zipfWeights(knob('adapters') ?? 1, knob('zipf') ?? 1)
    const startSecond = seconds / 3
    const rateAt = (second: number): number => rate * crowdAt(second - startSecond)
    return varyingArrivals(random, seconds, rate * factor, rateAt).map((atMs) =>
      chatRequest(random, atMs, `a${drawIndex(random, weights)}`),
    )
  },
}

/** Of the usual load, so many seconds after the crowd begins to come. */
function crowdAt(second: number): number {
  if (second < 0 || second > riseSeconds + staySeconds) {
    return 1
  }
  return 1 + (factor - 1) * Math.min(1, second / riseSeconds)
}
