import type { LoraplexError } from '../errors.ts'
import type { Dialect } from './dialect.ts'

/** The shape both kinds of SDK read: OpenAI's with all four keys, or Anthropic's with our code where its SDK looks for one. */
export function errorBody(error: LoraplexError, dialect: Dialect, id: string): string {
  const { message, code, param } = error
  switch (dialect) {
    case 'OpenAI':
      return JSON.stringify({ error: { message, type: error.row.type, param, code } })
    case 'Anthropic':
      return JSON.stringify({
        type: 'error',
        error: {
          type: anthropicType(error.row.status),
          message,
          details: { error_code: code, param },
        },
        request_id: id,
      })
    default:
      return dialect satisfies never
  }
}

/** Anthropic has one type a status; 529 is its own 503. */
const anthropicTypes: ReadonlyMap<number, string> = new Map([
  [401, 'authentication_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [408, 'timeout_error'],
  [413, 'request_too_large'],
  [429, 'rate_limit_error'],
  [503, 'overloaded_error'],
  [504, 'timeout_error'],
])

function anthropicType(status: number): string {
  return anthropicTypes.get(status) ?? (status < 500 ? 'invalid_request_error' : 'api_error')
}

/** The headers an SDK acts on: when to retry, and whether. */
export function errorHeaders(error: LoraplexError): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8' }
  if (error.retryAfterMs !== undefined) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)))
    headers['retry-after-ms'] = String(Math.ceil(error.retryAfterMs))
  }
  const { shouldRetry } = error.row
  if (shouldRetry !== undefined) {
    headers['x-should-retry'] = String(shouldRetry)
  }
  return { ...headers, ...error.headers }
}
