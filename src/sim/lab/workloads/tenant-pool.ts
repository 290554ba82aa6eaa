/** A pool's clients in ServeGen's traces, and the shape of rates that gives the same figures. */
export interface TenantPool {
  readonly name: string
  readonly clients: number
  /** Clients with a request in a window of ten minutes, mean. */
  readonly active: number
  /** Exponent of the clients' base rates by rank; how much the first has on top of that. */
  readonly slope: number
  readonly firstFactor: number
  /** Standard deviation of the logarithm of a client's rate around its base. */
  readonly drift: number
  /** 0–1: how much of that, and of being active, stays from one window to the next. */
  readonly memory: number
  /** CV of gaps: of big clients, and the median of the others, whose p90 is four times that. */
  readonly bigCv: number
  readonly medianCv: number
}
