import { createRandom } from '../random.ts'
import { chatRequest } from './chat-request.ts'
import { varyingArrivals } from './varying-arrivals.ts'
import type { Workload } from './workload.ts'

const greed = 10

/** Equal tenants, and one beside them that sends ten times a share. */
export const abusiveTenant: Workload = {
  name: 'abuser',
  summary:
    'equal tenants of one adapter each, the first sends ten times its share for the middle half of the tape',
  source: 'the setting of VTC, OSDI 2024, section 5: one overloaded client',
  knobs: { adapters: 32, rate: 60, seconds: 600 },
  files: [],
  make({ knob, seed }) {
    const tenants = knob('adapters') ?? 1
    const seconds = knob('seconds') ?? 1
    const share = (knob('rate') ?? 1) / tenants
    const random = createRandom(seed)
    const most = share * (tenants + greed - 1)
    const isGreedyAt = (second: number): boolean =>
      second > seconds / 4 && second < (seconds * 3) / 4
    const weightAt = (second: number): number => (isGreedyAt(second) ? greed : 1)
    const rateAt = (second: number): number => share * (tenants - 1 + weightAt(second))
    return varyingArrivals(random, seconds, most, rateAt).map((atMs) => {
      // The first tenant has the first `weight` of so many equal shares.
      const weight = weightAt(atMs / 1000)
      const at = Math.floor(random.next() * (tenants - 1 + weight))
      return chatRequest(random, atMs, `a${Math.max(0, at - weight + 1)}`)
    })
  },
}
