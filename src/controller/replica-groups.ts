import type { ReplicaState } from './model-pool/pool-replicas.ts'

export interface ReplicaGroup {
  readonly replicas: readonly ReplicaState[]
  /** The same value for as long as the same replicas are ready and leaving. */
  readonly identity: object
}

/** Replicas by pool, pass after pass. */
export class ReplicaGroups {
  #groups: ReadonlyMap<string, ReplicaGroup> = new Map()

  /** Every pool with replicas. */
  update(states: readonly ReplicaState[]): ReadonlyMap<string, ReplicaGroup> {
    const before = this.#groups
    const next = new Map<string, ReplicaGroup>()
    for (const [poolKey, replicas] of Map.groupBy(states, (state) => state.poolKey)) {
      const known = before.get(poolKey)
      const isSame = known !== undefined && areAlike(known.replicas, replicas)
      next.set(poolKey, { replicas, identity: isSame ? known.identity : {} })
    }
    this.#groups = next
    return next
  }
}

function areAlike(left: readonly ReplicaState[], right: readonly ReplicaState[]): boolean {
  return (
    left.length === right.length &&
    left.every((state, at) => {
      const other = right[at]
      return (
        state.name === other?.name &&
        state.ready === other.ready &&
        state.isLeaving === other.isLeaving
      )
    })
  )
}
