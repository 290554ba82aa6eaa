/** How the stores of limits and bills are. */
export interface StoreHealth {
  /** Nobody waits for the store of limits any more but for a probe. */
  readonly ledgerIsAway: boolean
  /** What was used, and the store of limits has not been told yet, or never will. */
  readonly settlementsWaiting: number
  readonly settlementsLost: number
  /** Bills that are not in their store yet, or never will be. */
  readonly recordsWaiting: number
  readonly recordsLost: number
}
