/**
 * Why an engine's answer could not be had. `Unreachable`: no complete answer (refused, reset, timed out).
 * `BadAnswer`: an answer that no vLLM of ours gives (wrong status, not JSON, larger than it may be).
 */
export type EngineErrorKind = 'Unreachable' | 'BadAnswer'

/** An I/O failure between us and one engine. Its message holds no body, path, key or prompt of anybody. */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly kind: EngineErrorKind
  /** HTTP status where there was one, else 0. */
  readonly status: number

  constructor(kind: EngineErrorKind, message: string, status = 0, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.kind = kind
    this.status = status
  }
}
