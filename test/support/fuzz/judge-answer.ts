import { isUtf8 } from 'node:buffer'
import { errorTable, type ErrorCode } from '../../../src/errors.ts'
import type { RawAnswer } from './raw-connection.ts'

/** What is wrong with an answer, whatever the request was; undefined where nothing is. */
export function faultOf({ status, headers, body }: RawAnswer): string | undefined {
  const id = headers['x-request-id'] ?? ''
  if (!/^req_[0-9a-z]+$/.test(id)) {
    return 'no request id'
  }
  if (status === 200) {
    return undefined
  }
  if (status < 400 || status > 499) {
    return `status ${status}`
  }
  if (headers['content-type'] !== 'application/json; charset=utf-8') {
    return `content type ${headers['content-type']}`
  }
  return body === '' ? undefined : faultOfError(status, body, headers['request-id'] !== undefined)
}

interface ErrorShape {
  readonly type?: unknown
  readonly request_id?: unknown
  readonly error?: {
    readonly type?: unknown
    readonly code?: unknown
    readonly message?: unknown
    readonly details?: { readonly error_code?: unknown }
  }
}

function faultOfError(status: number, body: string, isAnthropic: boolean): string | undefined {
  let parsed: ErrorShape
  try {
    parsed = JSON.parse(body) as ErrorShape
  } catch {
    return 'an error that is no JSON'
  }
  const { error } = parsed
  const isOurs = isAnthropic === (parsed.type === 'error')
  const code = isAnthropic ? error?.details?.error_code : error?.code
  if (!isOurs || typeof code !== 'string' || !Object.hasOwn(errorTable, code)) {
    return `an error of another shape: ${body.slice(0, 200)}`
  }
  const row = errorTable[code as ErrorCode]
  if (row.status !== status || (!isAnthropic && error?.type !== row.type)) {
    return `${code} with status ${status} and type ${String(error?.type)}`
  }
  if (typeof error?.message !== 'string' || error.message === '') {
    return 'an error without words'
  }
  return /lpx_|\n {4}at |node:|\.ts\b|cache_salt":/.test(error.message)
    ? `an error that tells too much: ${error.message.slice(0, 200)}`
    : undefined
}

/**
 * Whether the gateway may take this body: what every strict reader agrees on. Inside long strings the gateway does not
 * look: where one goes to the engine, that refuses it.
 */
export function isPlainObject(body: Buffer): boolean {
  if (!isUtf8(body)) {
    return false
  }
  try {
    const text = body.toString('utf8')
    const short = text.replaceAll(/"(?:[^"\\]|\\.)*"/gs, (found) =>
      Buffer.byteLength(found) > 1024 ? '"(text)"' : found,
    )
    const value: unknown = JSON.parse(short)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

export function isRefusalOfEngine({ status, body }: RawAnswer): boolean {
  return status === 400 && body.includes('"not JSON"')
}

/** It came from the engine, not from the gateway. */
export function isOfEngine({ status, headers, body }: RawAnswer): boolean {
  return (
    status === 200 &&
    // Nobody counts requests for the base: see the engine.
    !/"(?:llama-b|lpx-base-r0)"/.test(body) &&
    (headers['content-type']?.startsWith('text/event-stream') === true ||
      /^\{"(?:id":"[xr]"|count":1)/.test(body))
  )
}

/** Of the text of an object that JSON.parse reads; one that stands twice is there twice. */
export function topLevelKeys(text: string): readonly string[] {
  const keys: string[] = []
  let depth = 0
  let isKey = false
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/gs)) {
    if (token === '{' || token === '[') {
      depth += 1
      isKey = depth === 1
    } else if (token === '}' || token === ']') {
      depth -= 1
    } else if (token === ',') {
      isKey = depth === 1
    } else if (isKey && token.startsWith('"')) {
      keys.push(JSON.parse(token) as string)
      isKey = false
    }
  }
  return keys
}
