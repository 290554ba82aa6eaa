import type { EngineCosts } from './route-cost.ts'

/** What a pool is asked for, as rates over one window. */
export interface TokenLoad {
  /** Prompt tokens to compute, a second. */
  readonly inputPerSecond: number
  /** Tokens to write, a second. */
  readonly outputPerSecond: number
  /** Of an answer, mean. */
  readonly outputTokens: number
  /** Requests a second for each adapter that is asked for. */
  readonly adapterRates: readonly number[]
}

/**
 * R_LB: below so many replicas a mean of `tpotMs` between tokens cannot be kept, wherever requests go; not rounded, whole
 * ones are its ceiling. A step of one replica takes `stepMs + b·B + c·A` and its prompts; summed over R replicas with
 * B = output rate × T*, A = Σ(1 − e^(−λ_a·L·T*)), every step at most T*:
 *
 *   R ≥ (b·λ·L·T* + p·λ·I·T* + c·Σ_a (1 − e^(−λ_a·L·T*))) / (T* − stepMs)
 *
 * 1 − e^(−x) is concave, so an adapter on two replicas never costs less. Source of the step's form: see `EngineCosts`;
 * a cost of slots belongs into `stepMs`. Infinite where one step alone takes longer than `tpotMs`.
 */
export function replicaBound(costs: EngineCosts, load: TokenLoad, tpotMs: number): number {
  const roomMs = tpotMs - costs.stepMs
  if (roomMs <= 0) {
    return Infinity
  }
  const seconds = tpotMs / 1000
  const running = load.outputPerSecond * seconds
  const promptMs = costs.perPromptTokenMs * load.inputPerSecond * seconds
  const active = load.adapterRates.reduce(
    (sum, rate) => sum + 1 - Math.exp(-rate * load.outputTokens * seconds),
    0,
  )
  return (costs.perRequestMs * running + promptMs + costs.perAdapterMs * active) / roomMs
}
