export type HubErrorCode = 'NotFound' | 'Denied' | 'Unreachable' | 'BadAnswer' | 'Damaged'

/** Why a model did not come from its hub. The message is for its operator, and never holds the token. */
export class HubError extends Error {
  override readonly name = 'HubError'
  readonly code: HubErrorCode
  constructor(code: HubErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.code = code
  }
}
