import type { AutoscaleMemory } from './autoscale-memory.ts'
import { oldestWithin, type Sample } from './autoscale-sample.ts'
import { capacityAt } from './capacity-fit.ts'
import { replicaBound } from './replica-bound.ts'
import type { EngineCosts } from './route-cost.ts'

export interface ServiceTarget {
  /** Between two tokens of a stream, milliseconds: the objective of the pool. */
  readonly tpotMs: number
  /** Of this engine and model, measured; absent: what a replica can take is learned. */
  readonly costs?: EngineCosts | undefined
}

/** The load, over which rates are means; and shorter ones, in which a jump shows first. Milliseconds. */
const slowMs = 60_000
const fastMs = [2000, 5000, 10_000, 30_000] as const
/**
 * Spread of the work of n requests is this / √n: √(1 + CV²) with a CV of lengths of 1.2 (ShareGPT; Azure's have 1).
 * Three of them (99.9 %) have to be exceeded before a short window is believed.
 */
const spreadOfWork = 1.56
const sigmas = 3
/** Of an answer, before the first ended: Azure's conversations have 211, ShareGPT's 195. */
const assumedAnswer = 200

interface Rates {
  readonly requests: number
  readonly inputTokens: number
  /** Requests counted. */
  readonly count: number
}

/**
 * Replicas and parts of them that arriving tokens need at the objective, from arrivals of the last minute, or of the last
 * seconds where those are certainly more. Undefined while nothing is known of lengths or of what a replica can take.
 */
export function tokenNeed(
  memory: AutoscaleMemory,
  nowMs: number,
  target: ServiceTarget,
): number | undefined {
  const perReplica = needOf(memory, target)
  const slow = ratesIn(memory.samples, nowMs, slowMs)
  if (perReplica === undefined || slow === undefined) {
    return undefined
  }
  const certain = fastMs.map((windowMs) => {
    const rates = ratesIn(memory.samples, nowMs, windowMs)
    const doubt = rates === undefined ? 1 : (sigmas * spreadOfWork) / Math.sqrt(rates.count)
    return rates === undefined || doubt >= 1 ? 0 : perReplica(rates) * (1 - doubt)
  })
  return Math.max(perReplica(slow), ...certain)
}

function needOf(
  { samples, answerTokens = assumedAnswer, fit }: AutoscaleMemory,
  { costs, tpotMs }: ServiceTarget,
): ((rates: Rates) => number) | undefined {
  if (costs !== undefined) {
    // How many are together on a replica depends on the router: it is measured, and stays about the same in sum.
    const active = samples.reduce((total, sample) => total + (sample.activeAdapters ?? 0), 0)
    const adapterMs = (costs.perAdapterMs * active) / Math.max(1, samples.length)
    return ({ requests, inputTokens }) =>
      replicaBound(
        costs,
        {
          inputPerSecond: inputTokens,
          outputPerSecond: requests * answerTokens,
          outputTokens: answerTokens,
          adapterRates: [],
        },
        tpotMs,
      ) +
      adapterMs / (tpotMs - costs.stepMs)
  }
  const capacity = capacityAt(fit, tpotMs)
  return capacity === undefined
    ? undefined
    : ({ requests, inputTokens }) => (inputTokens + requests * answerTokens) / capacity
}

function ratesIn(samples: readonly Sample[], nowMs: number, windowMs: number): Rates | undefined {
  const [first, last] = [oldestWithin(samples, nowMs, windowMs), samples.at(-1)]
  if (first?.inputTokens === undefined || last?.inputTokens === undefined) {
    return undefined
  }
  const seconds = (last.atMs - first.atMs) / 1000
  const count = last.arrivals - first.arrivals
  return seconds <= 0
    ? undefined
    : { requests: count / seconds, inputTokens: (last.inputTokens - first.inputTokens) / seconds, count }
}
