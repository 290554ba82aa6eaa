import type { EngineCosts } from '../../../core/route-cost.ts'
import type { LabReplica } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'
import type { RoutePolicy } from '../policy.ts'
import { leastBy, sendTo } from './choose.ts'
import { PrefixIndex } from './prefix-index.ts'

/** The prompt's tokens that have to be computed × requests there; no model, no weights. */
export function lMetric(): RoutePolicy {
  const prefixes = new PrefixIndex()
  return {
    name: 'lmetric',
    source: 'LMetric, arXiv:2603.15202: argmin P·BS, P with the prompts that wait there',
    isPlanned: false,
    route(request, { replicas }) {
      const best = leastBy(replicas, (replica) => {
        const uncached = request.promptTokens * (1 - prefixes.matchOf(request, replica))
        return (uncached + replica.queuedPromptTokens) * (replica.inFlight + 1)
      })
      if (best !== undefined) {
        prefixes.note(request, best)
      }
      return sendTo(best)
    },
  }
}

export interface ToppingsOptions {
  readonly costs: EngineCosts
  /** Milliseconds a token; a replica beyond it is taken only when all are. */
  readonly tpotMs: number
}

/** What it adds to prefill and decode × requests there; beyond the objective, last. */
export function toppings({ costs, tpotMs }: ToppingsOptions): RoutePolicy {
  const beyond = 1e12
  return {
    name: 'toppings',
    source: 'Toppings, USENIX ATC 2025, its rank-aware routing; all ranks equal here',
    isPlanned: false,
    route(request, { replicas }) {
      return sendTo(
        leastBy(replicas, (replica) => {
          const added = costs.perRequestMs + costs.perAdapterMs * (isNew(request, replica) ? 1 : 0)
          const decodeMs =
            costs.stepMs +
            costs.perRequestMs * replica.inFlight +
            costs.perAdapterMs * replica.slotsUsed +
            added
          const prefillMs =
            (request.promptTokens * costs.perPromptTokenMs) / Math.max(1, request.expectedOutput)
          const penalty = decodeMs > tpotMs ? beyond : 0
          return (prefillMs + added + penalty) * (replica.inFlight + 1)
        }),
      )
    },
  }
}

function isNew({ adapter }: LabRequest, replica: LabReplica): boolean {
  return adapter !== undefined && replica.inFlightOf(adapter) === 0
}
