import { createRandom, drawIndex } from '../random.ts'
import { chatRequest } from './chat-request.ts'
import { varyingArrivals } from './varying-arrivals.ts'
import type { Workload } from './workload.ts'
import { zipfWeights } from './zipf-weights.ts'

/** Every period the hottest adapters become the coldest. */
export const popularityFlip: Workload = {
  name: 'flip',
  summary: 'Zipf popularity that turns round every period: the hottest become the coldest',
  source: 'after GB-PANDAS and dLoRA: placement has to follow demand',
  knobs: { adapters: 128, rate: 60, seconds: 1800, zipf: 1, 'period-seconds': 600 },
  files: [],
  make({ knob, seed }) {
    const adapters = knob('adapters') ?? 1
    const seconds = knob('seconds') ?? 1
    const rate = knob('rate') ?? 1
    const periodMs = (knob('period-seconds') ?? 600) * 1000
    const random = createRandom(seed)
    const weights = zipfWeights(adapters, knob('zipf') ?? 1)
    return varyingArrivals(random, seconds, rate, () => rate).map((atMs) => {
      const rank = drawIndex(random, weights)
      const isTurned = Math.floor(atMs / periodMs) % 2 === 1
      return chatRequest(random, atMs, `a${isTurned ? adapters - 1 - rank : rank}`)
    })
  },
}
