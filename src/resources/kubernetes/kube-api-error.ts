/**
 * Why the API server did not do what it was asked. The first group is its own word (`Status.reason`), the second is
 * what became of the connection, `NotLeader` is ours: the write was not sent.
 */
export type KubeErrorReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  /** The resource version or the continue token is too old: list again. */
  | 'Gone'
  | 'TooLarge'
  | 'Invalid'
  | 'TooManyRequests'
  | 'Internal'
  | 'Unavailable'
  /** The server gave up in time, or asks for a resource version it has not seen yet. */
  | 'Timeout'
  | 'Other'
  | 'Unreachable'
  | 'BadAnswer'
  /** A watch without a sign of life. */
  | 'Silent'
  | 'NotLeader'

export interface KubeErrorCause {
  readonly reason: string
  /** A field conflict says here who else owns the field. */
  readonly message: string
  readonly field: string
}

export interface KubeErrorFields {
  readonly reason: KubeErrorReason
  readonly status: number
  readonly message: string
  readonly causes?: readonly KubeErrorCause[]
  readonly retryAfterMs?: number
  readonly cause?: unknown
}

/** An answer of the API server that is no success, or none at all. */
export class KubeApiError extends Error {
  override readonly name = 'KubeApiError'
  readonly reason: KubeErrorReason
  /** HTTP status, 0 without an answer. */
  readonly status: number
  readonly causes: readonly KubeErrorCause[]
  /** What the server asked for. */
  readonly retryAfterMs: number | undefined

  constructor(fields: KubeErrorFields) {
    super(fields.message, fields.cause === undefined ? {} : { cause: fields.cause })
    this.reason = fields.reason
    this.status = fields.status
    this.causes = fields.causes ?? []
    this.retryAfterMs = fields.retryAfterMs
  }
}

/** `isKubeError(error, 'NotFound', 'Conflict')`. */
export function isKubeError(
  error: unknown,
  ...reasons: readonly KubeErrorReason[]
): error is KubeApiError {
  return error instanceof KubeApiError && reasons.includes(error.reason)
}

/** It may work when tried again as it is. */
export function isPassing(error: unknown): boolean {
  return isKubeError(
    error,
    'TooManyRequests',
    'Internal',
    'Unavailable',
    'Timeout',
    'Unreachable',
    'BadAnswer',
  )
}
