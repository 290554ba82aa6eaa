import type { EngineCosts } from '../../../core/route-cost.ts'
import { blockTokens } from '../../prefix-cache.ts'
import type { LabReplica } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'
import type { RoutePolicy } from '../policy.ts'
import { leastBy, sendTo } from './choose.ts'
import { PrefixIndex } from './prefix-index.ts'
import { RecentSums } from './recent-sums.ts'

const windowMs = 180_000

export interface PrebleOptions {
  readonly costs: EngineCosts
  /** KV tokens of a replica: what its prefix cache holds at most. */
  readonly kvTokens: number
}

/**
 * E2: where more of the prompt is cached than not, the least loaded of those that have it (exploit); else the least of load
 * L, eviction M and prefill P (explore), all in milliseconds. L is the prefill of what was sent there in three minutes and
 * the decoding of what runs there; M the recomputing of what would be pushed out, as often as it was used. Its own
 * constants are of a Mistral 7B on an A6000; here they are the engine's.
 */
export function preble({ costs, kvTokens }: PrebleOptions): RoutePolicy {
  const prefixes = new PrefixIndex(Math.max(1, Math.floor(kvTokens / blockTokens)))
  const prefilled = new RecentSums(windowMs)
  const loadOf = (replica: LabReplica, nowMs: number): number => {
    const tokens = prefilled.sums(nowMs).get(String(replica.index)) ?? 0
    return tokens * costs.perPromptTokenMs + replica.expectedTokens * stepOf(costs, replica)
  }
  return {
    name: 'preble',
    source:
      'Preble, ICLR 2025, its E2; github.com/WukLab/preble, multi_node/global_scheduler_with_time.py',
    isPlanned: false,
    route(request, { replicas, nowMs }) {
      const cached = new Map(
        replicas.map((replica) => [replica, prefixes.matchedBlocks(request, replica)]),
      )
      const most = Math.max(0, ...cached.values())
      const holders = replicas.filter((replica) => most > 0 && cached.get(replica) === most)
      const isExploit = most * blockTokens > request.promptTokens - most * blockTokens
      const best = isExploit
        ? leastBy(holders, (replica) => loadOf(replica, nowMs))
        : leastBy(replicas, (replica) => {
            const uncached = uncachedOf(request, cached.get(replica) ?? 0)
            const blocks = Math.ceil(uncached / blockTokens)
            const evicted = prefixes.reusesLost(replica, blocks) * blockTokens
            return loadOf(replica, nowMs) + (evicted + uncached) * costs.perPromptTokenMs
          })
      if (best !== undefined) {
        prefilled.add(String(best.index), uncachedOf(request, cached.get(best) ?? 0), nowMs)
        prefixes.note(request, best)
      }
      return sendTo(best)
    },
  }
}

function uncachedOf({ promptTokens }: LabRequest, blocks: number): number {
  return Math.max(1, promptTokens - blocks * blockTokens)
}

/** Milliseconds of a step there; Preble takes the median of what it saw. */
function stepOf(costs: EngineCosts, { inFlight, slotsUsed }: LabReplica): number {
  return costs.stepMs + costs.perRequestMs * inFlight + costs.perAdapterMs * slotsUsed
}
