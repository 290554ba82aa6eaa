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
  readonly running: number
  /** Since the process started. */
  readonly arrivals: number
}

/** Whole: pools that are not named have none. */
export interface DemandMessage {
  readonly type: 'demand'
  /**
   * By pool key; within it by revision, the base as `base`, names that no revision answers yet as `loading`. Arrivals of
   * revisions that nobody asked for in a while are together in `others`, so a pool's sum never falls.
   */
  readonly pools: Readonly<Record<string, Readonly<Record<string, DemandOfRevision>>>>
}

/** Whole for its pool: revisions that this gateway's table names and that it could send a request to. */
export interface RoutableMessage {
  readonly type: 'routable'
  readonly poolKey: string
  readonly revisions: readonly string[]
}

export type GatewayMessage = GatewayHello | DemandMessage | RoutableMessage
