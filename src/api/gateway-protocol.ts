/**
 * `GET /v1/demand` of a gateway's internal port: newline-delimited JSON to the controller. The whole state first, then
 * changes, at the latest every second a demand message.
 */
export interface GatewayHello {
  readonly type: 'hello'
  /** Unique to the process. */
  readonly gateway: string
}

export interface DemandOfRevision {
  readonly waiting: number
  /** Of these, for an adapter that has to be loaded first, which says nothing of how full engines are; absent: none, or a
   * gateway from before it was told. */
  readonly cold?: number
  readonly running: number
  /** Since the process started, without those that a limit of their tenant refused. */
  readonly arrivals: number
}

/** What a pool's requests ask of its engines, since the process started; the counts never fall. */
export interface WorkOfPool {
  /** That came to the pool's queue and want an answer, not a count of tokens. */
  readonly requests: number
  /** Of their prompts, those tokens that engines have to read: expected by size, and put right when counted. */
  readonly inputTokens: number
  /** Tokens of answers that engines counted. */
  readonly outputTokens: number
  /** These answers. */
  readonly answers: number
  /** Of its engines, as learned here, see `EngineCosts`; absent: too little was seen. */
  readonly costs?: {
    readonly stepMs: number
    readonly perRequestMs: number
    readonly perAdapterMs: number
    readonly perPromptTokenMs: number
    readonly loadMs: number
  }
}

/** Whole: pools that are not named have none. */
export interface DemandMessage {
  readonly type: 'demand'
  /**
   * By pool key; within it by revision, the base as `base`, names that no revision answers yet as `loading`. Arrivals of
   * revisions that nobody asked for in a while are together in `others`, so a pool's sum never falls.
   */
  readonly pools: Readonly<Record<string, Readonly<Record<string, DemandOfRevision>>>>
  /** By pool key, those that `pools` names among them; absent: a gateway from before it counted tokens. */
  readonly work?: Readonly<Record<string, WorkOfPool>>
}

/** Whole for its pool: revisions that this gateway's table names and that it could send a request to. */
export interface RoutableMessage {
  readonly type: 'routable'
  readonly poolKey: string
  readonly revisions: readonly string[]
}

export type GatewayMessage = GatewayHello | DemandMessage | RoutableMessage
