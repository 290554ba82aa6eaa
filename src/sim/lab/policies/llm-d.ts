import type { LabReplica, Scrape } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'
import type { RoutePolicy } from '../policy.ts'
import { leastBy, sendTo } from './choose.ts'
import { PrefixIndex } from './prefix-index.ts'

/**
 * llm-d-router's scorers, each 0–1, summed by weight; ties at random. Queue 2, KV use 2 and prefix 3 are its default
 * profile; `affinity` adds the LoRA scorer, which that profile lacks (4 in Google's multi-LoRA recipe).
 */
export function llmD(affinity = 0): RoutePolicy {
  const prefixes = new PrefixIndex()
  return {
    name: affinity === 0 ? 'llm-d' : `llm-d-lora-${affinity}`,
    source:
      'llm-d-router, pkg/epp/framework/plugins/scheduling/scorer: queue, kv-cache-utilization, prefix-cache, lora-affinity',
    isPlanned: false,
    route(request, { replicas, nowMs, random }) {
      const scrapes = replicas.map((replica) => replica.scrape(nowMs))
      const queues = scrapes.map(({ waiting }) => waiting)
      const [least, most] = [Math.min(...queues), Math.max(...queues)]
      const scoreOf = (replica: LabReplica, scrape: Scrape): number => {
        const queue = most === least ? 1 : (most - scrape.waiting) / (most - least)
        const loras = affinity === 0 ? 0 : affinity * affinityOf(request, replica, scrape)
        const prefix = prefixes.matchOf(request, replica)
        return 2 * queue + 2 * (1 - scrape.kvUsage) + 3 * prefix + loras + random.next() * 1e-9
      }
      const scores = new Map(
        replicas.map((replica, index) => {
          const scrape = scrapes[index]
          return [replica, scrape === undefined ? 0 : scoreOf(replica, scrape)]
        }),
      )
      const best = leastBy(replicas, (replica) => -(scores.get(replica) ?? 0))
      if (best !== undefined) {
        prefixes.note(request, best)
      }
      return sendTo(best)
    },
  }
}

function affinityOf(
  { adapter }: LabRequest,
  { slots }: LabReplica,
  { activeAdapters, waitingAdapters }: Scrape,
): number {
  if (adapter === undefined || activeAdapters.has(adapter.id)) {
    return 1
  }
  const known = new Set([...activeAdapters, ...waitingAdapters])
  if (known.size < slots) {
    return 0.8
  }
  return waitingAdapters.has(adapter.id) ? 0.6 : 0
}
