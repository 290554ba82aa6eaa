/** What a failure tells of the engine's process. */
export type EngineFate =
  /** It judged the request. */
  | 'Lives'
  /** It said that it is about to end. */
  | 'Dying'
  /** Its connection broke. */
  | 'Unknown'
