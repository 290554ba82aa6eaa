/**
 * `Unavailable`: the store did not answer in time, or not at all. `Closed`: it answers, but lost what it held; an explicit
 * rebuild opens it again. `ClockSkew`: a window ended long ago by the store's clock.
 */
export type LedgerErrorCode = 'Unavailable' | 'Closed' | 'ClockSkew'

/** The store could not say yes or no. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError'
  readonly code: LedgerErrorCode

  constructor(code: LedgerErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.code = code
  }
}
