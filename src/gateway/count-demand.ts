import type { LoadingRoom } from './admission/loading-room.ts'
import type { PoolState } from './admission/pool-state.ts'
import { DemandCount, type PoolDemand } from './demand-count.ts'
import type { ReplicaView } from './replica-view.ts'

/** What waits and runs at a gateway, by pool and revision. */
export function countDemand(
  views: Iterable<ReplicaView>,
  pools: ReadonlyMap<string, PoolState>,
  loading: LoadingRoom,
): PoolDemand {
  const demand = new DemandCount()
  for (const view of views) {
    demand.runs(view.replica.poolKey, view.running())
  }
  for (const [poolKey, { admission, arrivals }] of pools) {
    demand.waits(poolKey, admission.waiting())
    demand.waitsForLoads(poolKey, admission.waitingForLoads())
    demand.arrived(poolKey, arrivals)
  }
  demand.loads(loading.waitingByPool())
  return demand.byPool
}
