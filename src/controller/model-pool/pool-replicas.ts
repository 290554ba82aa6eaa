import type { AgentLink, LoadMessage } from '../../api/agent-protocol.ts'
import type { ModelPool } from '../../api/model-pool.ts'
import type { ReplicaSnapshot } from '../../core/adapter-plan.ts'
import type { PoolFacts } from '../../core/statuses.ts'

/** A replica with what its agent says of it. */
export interface ReplicaState extends ReplicaSnapshot {
  readonly poolKey: string
  readonly link: Pick<AgentLink, 'setDesired'>
  /** Changes whenever the agent says its whole state anew: what it was told before may be lost. */
  readonly session: number
  readonly detail: string
  readonly engineVersion: string
  readonly simulated: boolean
  /** False: its agent has not told its whole state yet. */
  readonly isHeard?: boolean
  /** What its agent said last of its engine; undefined: nothing yet. */
  readonly load?:
    | Pick<LoadMessage, 'running' | 'waiting' | 'kvCacheUsage' | 'slots' | 'adapters'>
    | undefined
}

/** Replicas of all pools, wherever they run: processes of this machine, or pods. */
export interface PoolReplicas {
  /** Level-triggered: called with all pools at every pass. Makes and ends replicas in the background. */
  sync(pools: Iterable<ModelPool>): void
  states(): readonly ReplicaState[]
  /** Why a pool's engines could not even be made, if so. */
  failureOf(poolKey: string): string | undefined
  /** What only a cluster knows: how many replicas are wanted, and what stands in their way. */
  factsOf(poolKey: string): PoolFacts
  /** Called when a replica came, went or said something that decides. Returns the unsubscribe. */
  watch(onChange: () => void): () => void
  close(graceMs: number): Promise<void>
}
