/**
 * Why a call to another process of ours has no answer. `Unreachable` may be over in a moment; `Refused` is an answer,
 * with its status; `Stranger` is somebody else behind a used-again address.
 */
export type WireErrorCode = 'Unreachable' | 'Refused' | 'Stranger' | 'BadAnswer'

export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: WireErrorCode
  /** 0 where there was none. */
  readonly status: number
  constructor(code: WireErrorCode, message: string, status = 0, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.code = code
    this.status = status
  }
}
