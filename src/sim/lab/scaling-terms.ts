import type { EngineCosts } from '../../core/route-cost.ts'
import type { Objective } from './outcome.ts'
import type { ScalerContext } from './scaler-names.ts'
import type { ScalingMeasure } from './scaling-outcome.ts'
import { clairvoyant } from './scalers/clairvoyant.ts'
import { needOfTape } from './scalers/need-of-tape.ts'
import { unavoidableWait } from './scalers/unavoidable-wait.ts'
import type { Tape } from './tape.ts'

export interface ScalingBounds {
  readonly coldStartMs: number
  readonly minReplicas: number
  readonly maxReplicas: number
}

export interface ScalingTermsOptions extends ScalingBounds {
  readonly tape: Tape
  readonly costs: EngineCosts
  readonly objective: Objective
  /** There at the start. */
  readonly replicas: number
  /** That an engine runs at once. */
  readonly maxNumSeqs: number
}

/** On what terms scaling rules are asked, and measured, on one tape. */
export interface ScalingTerms {
  readonly context: ScalerContext
  readonly measure: ScalingMeasure
}

/** About as long as a request runs: what a batch averages. */
const windowMs = 10_000
/** How full replicas are planned to be, for rules that have to be told. */
const fullness = 0.8
/** Who knows no future may order so many times the need. */
const mostOrdered = 1.5

/** The clairvoyant keeps to the same least and most replicas as everybody, or nobody could be compared with it. */
export function scalingTerms(options: ScalingTermsOptions): ScalingTerms {
  const { tape, costs, objective, replicas, minReplicas, maxReplicas, coldStartMs } = options
  const { tpotMs } = objective
  const asked = needOfTape(tape, { costs, tpotMs, windowMs })
  const need = asked.map((value) => Math.min(maxReplicas, Math.max(minReplicas, value)))
  const known = { need, windowMs, coldStartMs, initial: replicas }
  const knee = Math.max(1, Math.min(options.maxNumSeqs, kneeOf(tape, asked, { costs, tpotMs })))
  return {
    context: {
      costs,
      tpotMs,
      replicas,
      minReplicas,
      maxReplicas,
      coldStartMs,
      need,
      windowMs,
      knee,
    },
    measure: {
      objective,
      need,
      windowMs,
      waits: unavoidableWait({ ...known, most: mostOrdered }),
      clairvoyantMs: clairvoyant(known).gpuMs,
    },
  }
}

/**
 * Requests that run at once on a replica that is as full as planned: tokens a second by how long one takes there. A step
 * is `stepMs` and what grows with the load, `tpotMs` where the load is all that it can bear.
 */
function kneeOf(tape: Tape, need: Float64Array, { costs, tpotMs }: NeedTerms): number {
  const tokens = tape.reduce((sum, { outputTokens }) => sum + outputTokens, 0)
  const replicaSeconds = (need.reduce((sum, value) => sum + value, 0) * windowMs) / 1000
  const mostPerSecond = tokens / Math.max(Number.EPSILON, replicaSeconds)
  const grown = (fullness * (tpotMs - costs.stepMs)) / tpotMs
  const stepMs = costs.stepMs / (1 - Math.max(0, grown))
  return Math.round((fullness * mostPerSecond * stepMs) / 1000)
}

interface NeedTerms {
  readonly costs: EngineCosts
  readonly tpotMs: number
}
