import { PoolAdmission } from './admission.ts'
import { Arrivals } from './arrivals.ts'
import type { PoolState } from './pool-state.ts'
import type { AdmissionLimits } from './queue-bounds.ts'
import type { ReplicaView } from '../replica-view.ts'
import { RetryBudget } from './retry-budget.ts'

/** @param onWait called when a request begins to wait. */
export function createPoolState(
  views: () => readonly ReplicaView[],
  limits: AdmissionLimits,
  onWait: () => void,
): PoolState {
  return {
    admission: new PoolAdmission(views, limits, () => performance.now(), onWait),
    retries: new RetryBudget(),
    arrivals: new Arrivals(),
  }
}
