import type { PoolFacts } from './models.ts'
import type { ReplicaView } from './replica-view.ts'
import { smallestWindow } from './smallest-window.ts'

export function poolFactsOf(views: readonly ReplicaView[]): PoolFacts {
  return {
    simulated: views.some((view) => view.simulated),
    contextWindow: smallestWindow(views),
  }
}
