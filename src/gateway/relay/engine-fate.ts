/** What a failure tells of the engine's process. */
export type EngineFate =
  /** It judged the request. */
  | 'Lives'
  /** It said that it is about to end. */
  | 'Dying'
  /** Its connection broke. */
  | 'Unknown'

/**
 * So long after a failure its process is known to be gone, if it is: one that was killed is noticed at once, and vLLM's
 * ends up to 7 s after its engine core died.
 */
export const knownGoneMs: Readonly<Record<EngineFate, number>> = {
  Lives: 0,
  Unknown: 2000,
  Dying: 10_000,
}
