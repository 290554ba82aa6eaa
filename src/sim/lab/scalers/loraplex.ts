import { decideReplicas, type AutoscalePolicy } from '../../../core/autoscale.ts'
import { emptyMemory, type AutoscaleMemory } from '../../../core/autoscale-memory.ts'
import type { EngineCosts } from '../../../core/route-cost.ts'
import type { ScalePolicy } from '../scale-policy.ts'

export interface LoraplexScalerOptions {
  readonly name?: string
  readonly policy: AutoscalePolicy
  /** The objective between tokens; absent: replicas follow the queue. */
  readonly tpotMs?: number
  /** Absent: learned. */
  readonly costs?: EngineCosts
  readonly spare?: number
  /** Seen before the tape began, when the first replicas came up; absent: not yet. */
  readonly coldStartMs?: number
}

/** What the controller does: the same function, once a second, and when demand comes to a pool of none. */
export function loraplexScaler(options: LoraplexScalerOptions): ScalePolicy {
  const { name = 'loraplex', policy, tpotMs, costs, coldStartMs, spare } = options
  let memory: AutoscaleMemory | undefined
  return {
    name,
    source: 'core/autoscale.ts',
    everyMs: 1000,
    wakeMs: 100,
    decide({
      nowMs,
      waiting,
      running,
      arrivals,
      inputTokens,
      outputTokens,
      ordered,
      ready,
      activeAdapters,
    }) {
      const decision = decideReplicas(
        {
          policy,
          nowMs,
          demand: { waiting, running, arrivals, inputTokens, outputTokens, isFresh: true },
          replicas: { current: ordered, ready, activeAdapters },
          isJudging: false,
          service: tpotMs === undefined ? undefined : { tpotMs, costs, spare },
        },
        memory ?? knowing(emptyMemory(nowMs), coldStartMs),
      )
      memory = decision.memory
      return decision.desired
    },
  }
}

function knowing(memory: AutoscaleMemory, coldStartMs: number | undefined): AutoscaleMemory {
  return { ...memory, coldStart: { ...memory.coldStart, ms: coldStartMs } }
}
