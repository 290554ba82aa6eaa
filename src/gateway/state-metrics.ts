import { Gauge } from 'prom-client'
import type { Gateway } from './gateway.ts'
import { addCostMetrics } from './cost-metrics.ts'

/** Gauges by pool, worked out at each scrape. */
export function addStateMetrics(gateway: Gateway): void {
  const { registry } = gateway.metrics
  const byPool = (name: string, help: string, counts: () => ReadonlyMap<string, number>) =>
    new Gauge({
      name,
      help,
      labelNames: ['pool'],
      registers: [registry],
      collect() {
        this.reset()
        for (const [pool, count] of counts()) {
          this.set({ pool }, count)
        }
      },
    })
  addCostMetrics(gateway)
  byPool('loraplex_pool_requests_waiting', 'Requests of a pool that wait here.', () =>
    demandOf(gateway, 'waiting'),
  )
  byPool('loraplex_pool_requests_running', 'Requests of a pool at engines, from here.', () =>
    demandOf(gateway, 'running'),
  )
  byPool('loraplex_pool_replicas', 'Replicas of a pool that this gateway knows.', () =>
    countReplicas(gateway, () => true),
  )
  byPool('loraplex_pool_replicas_ready', 'Replicas of a pool that take requests from here.', () =>
    countReplicas(gateway, ({ ready }) => ready),
  )
}

/** Pools without any are told as 0, so that a queue that emptied does not look like one that nobody watches. */
function demandOf(gateway: Gateway, field: 'waiting' | 'running'): ReadonlyMap<string, number> {
  const counts = new Map([...gateway.table.pools.keys()].map((pool) => [pool, 0]))
  for (const [pool, revisions] of Object.entries(gateway.demand())) {
    const sum = Object.values(revisions).reduce((total, one) => total + one[field], 0)
    counts.set(pool, sum)
  }
  return counts
}

function countReplicas(
  gateway: Gateway,
  counts: (view: ReturnType<Gateway['views']>[number]) => boolean,
): ReadonlyMap<string, number> {
  const found = new Map([...gateway.table.pools.keys()].map((pool) => [pool, 0]))
  for (const view of gateway.views()) {
    const { poolKey } = view.replica
    found.set(poolKey, (found.get(poolKey) ?? 0) + (counts(view) ? 1 : 0))
  }
  return found
}
