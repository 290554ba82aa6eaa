/** Every wait of a reflector, in milliseconds; ranges are drawn from anew each time. */
export interface ReflectorTiming {
  readonly listTimeoutMs: number
  /** The server is asked to end a watch after so long. */
  readonly watchMs: readonly [min: number, max: number]
  /** A watch without a byte for so long is dead: above the minute between bookmarks, below the 90 s of I13. */
  readonly inactivityMs: number
  readonly backoffMs: readonly [base: number, max: number]
  /** A watch that held so long has earned a fresh backoff. */
  readonly healthyAfterMs: number
  readonly auditMs: readonly [min: number, max: number]
  /** What the audit's list has and the watch did not tell so much later was missed. */
  readonly auditGraceMs: number
}

export const defaultReflectorTiming: ReflectorTiming = {
  listTimeoutMs: 60_000,
  watchMs: [240_000, 480_000],
  inactivityMs: 75_000,
  backoffMs: [800, 30_000],
  healthyAfterMs: 60_000,
  auditMs: [600_000, 900_000],
  auditGraceMs: 10_000,
}
