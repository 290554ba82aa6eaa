/**
 * One table of everything that can be refused or can go wrong. A row is the stable code, what an HTTP caller sees, who
 * is at fault (a metric label; alerts look at `Platform` only), and the condition reason where a resource carries it.
 */
export type Fault = 'Caller' | 'Tenant' | 'Platform'

interface ErrorRow {
  /** HTTP status at the gateway; 0 for errors that never reach a caller. */
  readonly status: number
  /** OpenAI's `error.type`. */
  readonly type: string
  readonly fault: Fault
  /** Sent as `x-should-retry`, which both OpenAI SDKs obey. */
  readonly shouldRetry?: boolean
  /** What it means, for the reference page. */
  readonly meaning: string
}

export const errorTable = {
  invalid_api_key: {
    status: 401,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning: 'No key, an unknown one, an expired or a revoked one.',
  },
  tenant_suspended: {
    status: 403,
    type: 'invalid_request_error',
    fault: 'Tenant',
    shouldRetry: false,
    meaning: 'The tenant is suspended by its operator.',
  },
  model_not_found: {
    status: 404,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning:
      "A name that is not this tenant's; the same words whether or not somebody else has it.",
  },
  route_not_found: {
    status: 404,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning: 'No such method and path.',
  },
  invalid_request: {
    status: 400,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning: 'The body is not what the endpoint takes; the message names the field.',
  },
  invalid_json: {
    status: 400,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning:
      'The body is no JSON object, is too deep, holds too many values, or has a top-level key twice.',
  },
  forbidden_field: {
    status: 400,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning: "A field that is the operator's, such as priority or cache_salt.",
  },
  context_length_exceeded: {
    status: 400,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning: 'The prompt does not fit the model.',
  },
  request_quarantined: {
    status: 422,
    type: 'invalid_request_error',
    fault: 'Tenant',
    shouldRetry: false,
    meaning:
      'Two engines died with this request; for ten minutes no engine gets the same content again.',
  },
  unsupported_task: {
    status: 400,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning: "The model's pool does something else than what the path asks for, say embeddings.",
  },
  unsupported_media_type: {
    status: 415,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning: 'Bodies are application/json.',
  },
  request_too_large: {
    status: 413,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning: 'The body is larger than the gateway takes.',
  },
  headers_too_large: {
    status: 431,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning: 'Too many or too large header fields.',
  },
  request_timeout: {
    status: 408,
    type: 'invalid_request_error',
    fault: 'Caller',
    meaning: 'The request did not arrive in time.',
  },
  queue_share_full: {
    status: 429,
    type: 'rate_limit_error',
    fault: 'Tenant',
    meaning: "The tenant's own share of the queue is full.",
  },
  rate_limit_exceeded: {
    status: 429,
    type: 'rate_limit_error',
    fault: 'Tenant',
    meaning:
      'A rate or the number of requests at once is used up; the headers say when to try again.',
  },
  request_over_limit: {
    status: 429,
    type: 'rate_limit_error',
    fault: 'Tenant',
    shouldRetry: false,
    meaning: 'The request alone may use more than a limit or budget allows at all.',
  },
  insufficient_quota: {
    status: 429,
    type: 'insufficient_quota',
    fault: 'Tenant',
    shouldRetry: false,
    meaning: 'A budget is spent; the message says when it begins anew.',
  },
  price_missing: {
    status: 503,
    type: 'service_unavailable_error',
    fault: 'Platform',
    shouldRetry: false,
    meaning: 'The tenant has a budget in money, and the pool has no prices.',
  },
  limits_unavailable: {
    status: 503,
    type: 'service_unavailable_error',
    fault: 'Platform',
    shouldRetry: true,
    meaning: 'The store of limits and budgets is away, so nobody can say whether there is room.',
  },
  adapter_failed: {
    status: 424,
    type: 'invalid_request_error',
    fault: 'Tenant',
    shouldRetry: false,
    meaning: "The adapter cannot be served; the message carries its condition's words.",
  },
  adapter_suspended: {
    status: 503,
    type: 'service_unavailable_error',
    fault: 'Tenant',
    shouldRetry: false,
    meaning: 'The adapter is suspended by its owner.',
  },
  adapter_loading: {
    status: 503,
    type: 'service_unavailable_error',
    fault: 'Platform',
    shouldRetry: true,
    meaning: 'The adapter was not routable before the wait ended.',
  },
  overloaded: {
    status: 503,
    type: 'service_unavailable_error',
    fault: 'Platform',
    shouldRetry: true,
    meaning: 'The pool is full, or the wait would pass the deadline.',
  },
  no_replica: {
    status: 503,
    type: 'service_unavailable_error',
    fault: 'Platform',
    shouldRetry: true,
    meaning: 'No engine of the pool is ready.',
  },
  shutting_down: {
    status: 503,
    type: 'service_unavailable_error',
    fault: 'Platform',
    shouldRetry: true,
    meaning: 'This gateway is draining.',
  },
  engine_failed: {
    status: 502,
    type: 'server_error',
    fault: 'Platform',
    meaning: 'The engine died or answered nonsense, and no other could take the request.',
  },
  engine_timeout: {
    status: 504,
    type: 'server_error',
    fault: 'Platform',
    meaning: 'The engine sent nothing for too long.',
  },
  internal_error: {
    status: 500,
    type: 'server_error',
    fault: 'Platform',
    meaning: 'A bug in Loraplex; the request id finds it in the log.',
  },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errorTable

/** An expected refusal or failure, on its way to the caller. The message is for the caller: never a path, key or prompt. */
export class LoraplexError extends Error {
  override readonly name = 'LoraplexError'
  readonly code: ErrorCode
  /** The request field at fault, OpenAI's `error.param`. */
  readonly param: string | null
  /** When a retry may succeed; becomes Retry-After. */
  readonly retryAfterMs: number | undefined
  /** Sent beside those of the row, and before them where they say otherwise. */
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: ErrorCode,
    message: string,
    options: {
      param?: string
      retryAfterMs?: number
      headers?: Readonly<Record<string, string>>
      cause?: unknown
    } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.param = options.param ?? null
    this.retryAfterMs = options.retryAfterMs
    this.headers = options.headers ?? {}
  }

  get row(): ErrorRow {
    return errorTable[this.code]
  }
}

/** A mistake of the person at the command line or in a file: printed without a stack, exit code `exitCode`. */
export class UserError extends Error {
  override readonly name = 'UserError'
  readonly exitCode: 1 | 2
  constructor(message: string, exitCode: 1 | 2 = 1, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.exitCode = exitCode
  }
}

/** Something that can only be a bug here. */
export class BugError extends Error {
  override readonly name = 'BugError'
}
