import { z } from 'zod'

/**
 * What controller and gateways say to an agent, and what it tells them. In a cluster these travel as JSON over HTTP; in
 * one process they are the same values handed over directly.
 */

/** How near an adapter must be: on the GPU side and proved, on local disk, or merely permitted to be fetched. */
export const want = z.enum(['Loaded', 'OnDisk', 'Allowed'])
export type Want = z.infer<typeof want>

/** One entry of a pool's catalogue. `revision` is also what the engine name is made of. */
export const catalogueEntry = z.strictObject({
  revision: z.string().regex(/^[0-9a-f]{32}$/),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  want,
  sizeBytes: z.int().min(0),
})
export type CatalogueEntry = z.infer<typeof catalogueEntry>

/**
 * `PUT /v1/desired`: the whole catalogue, or what is different since an order of the same term; one older than (term,
 * sequence) is refused, and so is a difference to an order that the agent does not hold: the whole follows then.
 */
export const desiredRequest = z.strictObject({
  term: z.int().min(0),
  sequence: z.int().min(0),
  /** New and changed ones, where this is a difference. */
  entries: z.array(catalogueEntry).max(20_000),
  change: z
    .strictObject({
      /** The sequence of the order that this one changes. */
      since: z.int().min(0),
      /** Revisions that are in the catalogue no longer. */
      gone: z.array(catalogueEntry.shape.revision).max(20_000),
    })
    .optional(),
})
export type DesiredRequest = z.infer<typeof desiredRequest>

export interface DesiredAnswer {
  readonly accepted: boolean
  /** What the agent holds now. */
  readonly term: number
  readonly sequence: number
}

/** `POST /v1/adapters/{revision}/ensure`: a cold miss. A lease of 60 s on the entry, renewed by traffic. */
export type EnsureAnswer =
  | { readonly state: 'Routable' }
  | { readonly state: 'Loading'; readonly estimateMs: number }
  | { readonly state: 'Failed'; readonly reason: string; readonly message: string }
  /** Not in the catalogue: the controller has to say so first. */
  | { readonly state: 'Unknown' }

/** What a gateway tells of its tenants at one engine, so that all gateways serve a pool in one order (I15). */
export const shareReport = z.strictObject({
  /** Requests at the engine now, the base's with them. */
  inFlight: z.int().min(0),
  /** As in `GatewayLoad`; only to an agent whose hello says that it `tellsLoads`. */
  queuedPromptTokens: z.int().min(0).optional(),
  remainingTokens: z.int().min(0).optional(),
  /** By tenant: what it was charged since the last answer, in tokens by weight; less than nothing where it was too much. */
  served: z.record(z.string(), z.number()),
  /** Virtual time, see FairShare. */
  now: z.number().min(0),
  /** By revision, wanted or granted: the least turn of the tenants who call it. Slots go to the least. */
  turns: z.record(z.string(), z.number()),
  /** Who lacks nothing but a place at this engine; those with most right, where there are too many. */
  waits: z
    .array(
      z.strictObject({
        tenant: z.string(),
        turn: z.number(),
        cost: z.number().min(0),
        count: z.int().min(1),
        /** How long the first of them has waited. */
        waitedMs: z.number().min(0),
      }),
    )
    .max(256),
})
export type ShareReport = z.infer<typeof shareReport>

export interface ShareAnswer {
  /** Requests that this gateway may have at the engine. */
  readonly places: number
  /** Other gateways use the engine, too: places come by asking. */
  readonly shared: boolean
  /** By tenant: what the other gateways charged since the last answer. */
  readonly served: Readonly<Record<string, number>>
  /** By tenant that waits at another gateway: its counter there, the mean of several, with all of `served` in it. */
  readonly turns: Readonly<Record<string, number>>
  /** The furthest virtual time of the other gateways. */
  readonly now: number
}

/**
 * `POST /v1/lease`, on need and every 100 ms: one call at a time for each gateway. The gateway's side of the bargain:
 * a revision left out of both lists is given back from the moment the request is sent, until an answer grants it again;
 * a call that failed means that nothing new is admitted until the next answer, and so does a lease older than its TTL,
 * counted from when its request was sent.
 */
export const leaseRequest = z.strictObject({
  gateway: z.string().min(1).max(64),
  /** Revisions with work that waits for a slot, in the order in which they began to wait. */
  wanted: z.array(z.string()).max(4096),
  /**
   * Requests now at the engine, by revision. 0 keeps a granted one although it is idle, so that its next request needs no
   * call; it goes back on demand.
   */
  inFlight: z.record(z.string(), z.int().min(0)),
  /** Only to an agent whose hello says that it `shares`. */
  share: shareReport.optional(),
})
export type LeaseRequest = z.infer<typeof leaseRequest>

export interface LeaseAnswer {
  /** Revisions this gateway may send to this replica until the lease ends. */
  readonly granted: readonly string[]
  /**
   * Held, but admit nothing new: somebody else waits for the slot, or the revision is not routable here any more. They go
   * back when their last request ends; one that is wanted still queues again at the end.
   */
  readonly reclaimed: readonly string[]
  readonly ttlMs: number
  /** The answer to the request's `share`. */
  readonly share?: ShareAnswer
}

export type ResidencyState =
  | { readonly state: 'Absent' }
  | { readonly state: 'OnDisk' }
  | { readonly state: 'Loading' }
  /** vLLM accepted it; the canary has not spoken yet. */
  | { readonly state: 'Loaded' }
  | { readonly state: 'Routable' }
  /** Known to the engine, wanted by nobody. */
  | { readonly state: 'Retired' }
  | {
      readonly state: 'Failed'
      readonly reason: string
      readonly message: string
      readonly permanent: boolean
    }

/**
 * `GET /v1/state`: the first message of a stream, sent again with the whole state after it whenever the engine process
 * changes. Everything before it is void.
 */
export interface HelloMessage {
  readonly type: 'hello'
  readonly replica: string
  /** Identity of the engine process (I2): changes when the engine restarts. Empty while there is none. */
  readonly engineProcess: string
  readonly engineVersion: string
  readonly simulated: boolean
  /** It divides places among gateways; absent: an agent from before it did. */
  readonly shares?: boolean
  /** It tells each gateway what the others have at the engine; absent: an agent from before it did. */
  readonly tellsLoads?: boolean
  /** Tokens that a prompt and its answer have together, as the engine says; absent: it does not, or an older agent. */
  readonly maxModelLen?: number
}

export interface ResidencyMessage {
  readonly type: 'residency'
  readonly revision: string
  readonly residency: ResidencyState
}

/** One gateway's work at an engine. */
export interface GatewayLoad {
  readonly inFlight: number
  /** Of prompts without a first token. */
  readonly queuedPromptTokens: number
  /** Expected of answers that have begun or will. */
  readonly remainingTokens: number
}

export interface LoadMessage {
  readonly type: 'load'
  readonly ready: boolean
  /** Words for `ready: false`. */
  readonly detail: string
  readonly draining: boolean
  readonly running: number
  readonly waiting: number
  readonly kvCacheUsage: number
  /** `kept` of those used have nothing in flight: they are given back on demand. Absent: an older agent. */
  readonly slots: { readonly total: number; readonly used: number; readonly kept?: number }
  /** What gateways have there, by the name that they call with, at most 100 ms old; absent: an older agent. */
  readonly gateways?: Readonly<Record<string, GatewayLoad>>
  /** Distinct adapters in flight, of all gateways. */
  readonly adapters?: number
}

/** Revisions that have, or have no longer, requests of any gateway at the engine; at most 100 ms old. The first after a hello has all. */
export interface ActivityMessage {
  readonly type: 'activity'
  readonly began: readonly string[]
  readonly ended: readonly string[]
}

/** The grants of these gateways changed since their last answer: they had better call `lease` now than in 100 ms. */
export interface SlotsMessage {
  readonly type: 'slots'
  readonly gateways: readonly string[]
}

export type StateMessage =
  | HelloMessage
  | ResidencyMessage
  | ActivityMessage
  | LoadMessage
  | SlotsMessage

/** The agent as seen from controller and gateway, over whatever wire. */
export interface AgentLink {
  readonly replica: string
  setDesired(request: DesiredRequest): Promise<DesiredAnswer>
  ensure(revision: string): Promise<EnsureAnswer>
  lease(request: LeaseRequest): Promise<LeaseAnswer>
  drain(): Promise<void>
  /** Delivers hello, the whole present state, then changes. Returns the unsubscribe. */
  watchState(onMessage: (message: StateMessage) => void): () => void
}
