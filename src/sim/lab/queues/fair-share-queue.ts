import type { LabRequest } from '../lab-request.ts'
import type { RoutePolicy } from '../policy.ts'
import type { RequestQueue } from '../request-queue.ts'
import { withPlaces } from '../with-places.ts'
import { FairShareOrder } from './fair-share-order.ts'
import { SecondOffer } from './second-offer.ts'
import type { WeightOf } from './tenant-order.ts'
import { TenantQueue } from './tenant-queue.ts'

/**
 * Tokens by weight that a tenant may be behind before its requests leave the replicas where its adapter belongs. Half of
 * what FairShare lets anybody be behind. Chosen on the Arena's tape with four replicas and one seed: at 2,048 nothing is
 * left of the plan's throughput, at 31,000 the gap is 1.7 times as great.
 */
const strayAfter = 16_384

export interface FairShareQueueOptions {
  /** Where requests go; a rule that plans may be left by who is far behind. */
  readonly policy: RoutePolicy
  readonly weightOf: WeightOf
  /** Requests that may be at one replica; absent: learned. */
  readonly limit?: number | undefined
}

/** The gateway's own order. Where a plan keeps adapters at few replicas, places there are not all that a tenant may have. */
export function fairShareQueue(options: FairShareQueueOptions): {
  readonly queue: RequestQueue
  readonly policy: RoutePolicy
} {
  const { policy, weightOf, limit } = options
  const places = limit === undefined ? {} : { limit }
  const order = new FairShareOrder(weightOf)
  if (!policy.isPlanned) {
    return { queue: new TenantQueue(order), policy: withPlaces(policy, places) }
  }
  const queue = new SecondOffer(new TenantQueue(order))
  const mayStray = (request: LabRequest): boolean =>
    queue.isSecond || order.lagOf(request) > strayAfter
  return { queue, policy: withPlaces(policy, { ...places, mayStray }) }
}
