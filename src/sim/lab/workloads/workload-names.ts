import { abusiveTenant } from './abusive-tenant.ts'
import { flashCrowd } from './flash-crowd.ts'
import { mooncake } from './mooncake.ts'
import { noisyNeighbour } from './noisy-neighbour.ts'
import { popularityFlip } from './popularity-flip.ts'
import { sLora } from './s-lora.ts'
import { tenants } from './tenants.ts'
import { threeClasses } from './three-classes.ts'
import type { Workload } from './workload.ts'
import { zipf } from './zipf.ts'

/** Every workload by its name, in the order they are listed. */
export const workloads: readonly Workload[] = [
  zipf,
  ...tenants,
  noisyNeighbour,
  mooncake,
  sLora,
  threeClasses,
  popularityFlip,
  flashCrowd,
  abusiveTenant,
]
