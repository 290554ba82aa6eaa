// What the processes of a live bed are told and answer, over IPC.
import type { StoredAdapter } from '../../src/artifacts/types.ts'
import type { ReplicaDescription } from '../../src/cluster/replica-pods.ts'
import type { LatencyProfile } from '../../src/sim/profile.ts'

export const livePoolKey = 'models/llama'

/** Adapter `a3` is the tenant's `t3x` alone: `secretOf` pads names with zeros, so none may end in a digit. */
export interface LiveAdapter extends StoredAdapter {
  readonly name: string
  readonly tenant: string
}

export interface LiveEngine {
  readonly profile: LatencyProfile
  readonly maxLoras: number
  readonly maxCpuLoras: number
  readonly maxNumSeqs: number
  readonly maxNumBatchedTokens: number
  readonly maxLoraRank: number
}

export type BedOrder =
  /** A replica starts, and has every adapter when it answers. */
  | { readonly kind: 'Join'; readonly name: string }
  /** The agent drains; the engine ends when nothing is left on it. */
  | { readonly kind: 'Leave'; readonly name: string }
  /** To a gateway: the whole list. Answers once it may use each of them. */
  | { readonly kind: 'Replicas'; readonly replicas: readonly ReplicaDescription[] }
  /** To a gateway, where it is; to replicas and gateways, how they are. */
  | { readonly kind: 'Look' }

export interface BedAnswer {
  readonly replica?: ReplicaDescription
  readonly url?: string
  /** Over all replicas: slots that some gateway holds, and adapters that wait for one. */
  readonly held?: number
  readonly waiting?: number
  /** At a gateway: requests without a place yet, and those with one. */
  readonly queued?: number
  readonly inFlight?: number
}

/** Answers the orders of the process that started this one. */
export function obey(act: (order: BedOrder) => Promise<BedAnswer>): void {
  process.on('message', ({ id, order }: { id: number; order: BedOrder }) => {
    void act(order).then((answer) => process.send?.({ id, answer }))
  })
  // Without whom it serves, it has nothing to do.
  process.on('disconnect', () => process.exit(0))
}
