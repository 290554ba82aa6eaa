import { syntheticTape } from './synthetic.ts'
import type { Workload } from './workload.ts'

export const zipf: Workload = {
  name: 'zipf',
  summary:
    'one adapter a tenant, popularity by Zipf’s law, gamma gaps (cv 1: Poisson), lengths of chats',
  source: 'the common synthesis of papers; real tenants are burstier, see tenants-large',
  knobs: { adapters: 128, rate: 60, seconds: 300, zipf: 1, cv: 1 },
  files: [],
  make: ({ knob, seed }) =>
    syntheticTape({
      adapters: knob('adapters') ?? 1,
      zipf: knob('zipf') ?? 1,
      rate: knob('rate') ?? 1,
      seconds: knob('seconds') ?? 1,
      cv: knob('cv') ?? 1,
      seed,
    }),
}
