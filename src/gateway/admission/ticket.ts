import type { Seated } from '../../core/bag.ts'
import type { Charge } from '../../core/fair-share.ts'
import type { PromptPrefix } from '../../core/prefix-affinity.ts'
import type { LoraplexError } from '../../errors.ts'
import type { EngineFate } from '../relay/engine-fate.ts'
import type { Patience } from './patience.ts'
import type { ReplicaView } from '../replica-view.ts'
import type { Work } from '../replica/work.ts'

/** What a ticket at an engine is charged in the fair queue, and what it is to that engine. */
export interface Served extends Seated, Work {
  readonly tenant: string
  readonly charge: Charge
}

/** A request that looks for a place. Exactly one of `place` and `refuse` is called, unless it is withdrawn first. */
export interface Ticket extends Patience {
  /** `undefined` is the base model. */
  readonly revision: string | undefined
  readonly tenant: string
  /** The tenant's share of a contended pool, beside the others'. */
  readonly weight: number
  readonly sizeBytes: number
  /** Its answer is told as it is written. */
  readonly isStreamed: boolean
  /** It asks for a count of tokens: no step of an engine. Absent: it asks for an answer. */
  readonly isCount?: boolean
  /** Monotonic milliseconds. At gateways with places for one tenant, whoever came first goes first. */
  readonly cameAt: number
  /** Tokens that its prompt can have at most, however many bytes an image in it has; absent: not known. */
  readonly contextWindow?: number | undefined
  /** Tokens that all of its answers can have together; absent: no end is known. */
  readonly outputCap?: number | undefined
  /** The beginning of its prompt; absent: no engine can have read it, or it is too short. */
  readonly prefix?: PromptPrefix | undefined
  /** Engine processes that already failed this request (I10). */
  readonly tried: ReadonlySet<string>
  /** The newest failure and its time; what the caller hears when no other process can take the request. */
  readonly lost:
    | { readonly error: LoraplexError; readonly fate: EngineFate; readonly at: number }
    | undefined
  /** It may be what killed an engine: no other such request may be where it goes. */
  readonly isOnTrial: boolean
  /** Kept by its admission while it is at an engine. */
  served?: Served | undefined
  /** Tokens for which its prompt is in the pool's `TokenTotals`; absent: it came only now. */
  countedInput?: number | undefined
  /** The view's place is taken in the ticket's name; whoever gets it calls `PoolAdmission.release` once. */
  place(view: ReplicaView): void
  refuse(error: LoraplexError): void
}
