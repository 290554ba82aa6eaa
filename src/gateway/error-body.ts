import type { LoraplexError } from '../errors.ts'

/** OpenAI's error shape; all four keys are always there. */
export function errorBody(error: LoraplexError): string {
  return JSON.stringify({
    error: { message: error.message, type: error.row.type, param: error.param, code: error.code },
  })
}

/** The headers an OpenAI SDK acts on: when to retry, and whether. */
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
  return headers
}

/** The one frame that tells a stream's reader that it ended badly, and the end both SDKs look for. */
export function errorFrames(error: LoraplexError): string {
  return `data: ${errorBody(error)}\n\ndata: [DONE]\n\n`
}
