import type { LabReplica, Scrape } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'
import type { RoutePolicy } from '../policy.ts'
import { leastBy, sendTo } from './choose.ts'
import { PrefixIndex } from './prefix-index.ts'

/**
 * llm-d-router's scorers, each 0–1, summed by weight; ties at random. Queue 2, KV use 2 and prefix 3 are its default
 * profile; `affinity` adds the LoRA scorer, which that profile lacks: 1 is a scorer's weight where none is written, 4 is
 * KServe's. Adapters are counted once, as since llm-d-router#2625.
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

/**
 * 1 where the adapter has a request, 0.8 where a slot is free, else 0. The code knows 0.6, too, for adapters that only wait;
 * vLLM lists every adapter in flight as both running and waiting (llm-d-router#2605), so nothing ever gets it.
 */
function affinityOf(
  { adapter }: LabRequest,
  { slots }: LabReplica,
  { activeAdapters, waitingAdapters }: Scrape,
): number {
  const listed = new Set([...activeAdapters, ...waitingAdapters])
  if (adapter === undefined || listed.has(adapter.id)) {
    return 1
  }
  return listed.size < slots ? 0.8 : 0
}
