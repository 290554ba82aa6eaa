import type { AutoscaleMemory } from './autoscale-memory.ts'
import { capacityAt } from './capacity-fit.ts'
import { doubtOf, findJump, ratesSince, type LoadJump, type Rates } from './load-rates.ts'
import { replicaBound } from './replica-bound.ts'
import type { EngineCosts } from './route-cost.ts'

export interface ServiceTarget {
  /** Between two tokens of a stream, milliseconds: the objective of the pool. */
  readonly tpotMs: number
  /** Of this engine and model, measured; absent: what a replica can take is learned. */
  readonly costs?: EngineCosts | undefined
  /** Replicas beyond the need, by its root: more cost more, and keep the objective in bursts. */
  readonly spare?: number | undefined
}

export interface TokenNeed {
  /** Replicas and parts of them. */
  readonly need: number
  /** Since then the load is what it is now. */
  readonly jump: LoadJump
}

/** Rates are means over so long, unless the load jumped within. */
const slowMs = 60_000
/** Of an answer, before the first ended: Azure's conversations have 211, ShareGPT's 195. */
const assumedAnswer = 200

/**
 * What arriving tokens need at the objective, at the rates of the last minute; after a jump, at those since then, less one
 * standard deviation that shrinks as the minute fills. Undefined while nothing is known of what a replica can take, and where
 * one step alone takes longer than the objective: no number of replicas would keep it.
 */
export function tokenNeed(
  memory: AutoscaleMemory,
  nowMs: number,
  target: ServiceTarget,
): TokenNeed | undefined {
  const perReplica = needOf(memory, target)
  if (perReplica === undefined) {
    return undefined
  }
  const { samples } = memory
  const before = Math.max(memory.jump.fromMs, nowMs - slowMs)
  const jump = findJump(samples, nowMs, before, perReplica) ?? memory.jump
  const rates = ratesSince(samples, Math.max(jump.fromMs, nowMs - slowMs))
  if (rates === undefined) {
    return undefined
  }
  const young = jump.isMore ? Math.max(0, 1 - (nowMs - jump.fromMs) / slowMs) : 0
  return { need: perReplica(rates) * (1 - doubtOf(samples, rates.count) * young), jump }
}

function needOf(
  { answerTokens = assumedAnswer, fit, activeAdapters = 0 }: AutoscaleMemory,
  { costs, tpotMs }: ServiceTarget,
): ((rates: Rates) => number) | undefined {
  if (costs !== undefined && costs.stepMs >= tpotMs) {
    return undefined
  }
  if (costs !== undefined) {
    // How many adapters are together on a replica depends on the router: it is measured, and stays the same in sum.
    const forAdapters = (costs.perAdapterMs * activeAdapters) / (tpotMs - costs.stepMs)
    return ({ requests, inputTokens }) =>
      forAdapters +
      replicaBound(
        costs,
        {
          inputPerSecond: inputTokens,
          outputPerSecond: requests * answerTokens,
          outputTokens: answerTokens,
          adapterRates: [],
        },
        tpotMs,
      )
  }
  const capacity = capacityAt(fit, tpotMs)
  return capacity === undefined
    ? undefined
    : ({ requests, inputTokens }) => (inputTokens + requests * answerTokens) / capacity
}
