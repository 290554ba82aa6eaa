import type { PoolAdmission } from './admission.ts'
import type { Arrivals } from './arrivals.ts'
import type { RetryBudget } from './retry-budget.ts'

/** What a gateway keeps of one pool. */
export interface PoolState {
  readonly admission: PoolAdmission
  readonly retries: RetryBudget
  readonly arrivals: Arrivals
}
