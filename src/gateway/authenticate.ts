import { hash } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Caller, RoutingTable } from '../core/resolve.ts'
import { LoraplexError } from '../errors.ts'

interface Recognised {
  readonly table: RoutingTable
  readonly authorization: string
  readonly caller: Caller
}

/** A kept-alive connection shows the same key again and again: hashed once a connection and table. */
const recognised = new WeakMap<Socket, Recognised>()

/** As `authenticate`, remembering what the connection showed last. */
export function authenticateRequest(
  table: RoutingTable,
  request: IncomingMessage,
  nowMs: number,
): Caller {
  const { authorization } = request.headers
  const last = recognised.get(request.socket)
  if (last !== undefined && last.table === table && last.authorization === authorization) {
    requireAdmitted(last.caller, nowMs)
    return last.caller
  }
  const caller = authenticate(table, request.headers, nowMs)
  if (authorization !== undefined) {
    recognised.set(request.socket, { table, authorization, caller })
  }
  return caller
}

/**
 * Whose key this is. Looked up by the SHA-256 of the whole string, never by a part of it, and never compared byte by byte.
 * @throws LoraplexError invalid_api_key or tenant_suspended
 */
export function authenticate(
  table: RoutingTable,
  headers: IncomingHttpHeaders,
  nowMs: number,
): Caller {
  const key = readKey(headers)
  if (key === undefined) {
    throw new LoraplexError(
      'invalid_api_key',
      'You did not provide an API key. Send it as `Authorization: Bearer YOUR_KEY` or `x-api-key: YOUR_KEY`.',
    )
  }
  const caller = table.callers.get(hash('sha256', key))
  if (caller === undefined) {
    throw new LoraplexError('invalid_api_key', 'Incorrect API key provided.')
  }
  requireAdmitted(caller, nowMs)
  return caller
}

/** @throws LoraplexError invalid_api_key or tenant_suspended, for a key that is known */
export function requireAdmitted(caller: Caller, nowMs: number): void {
  if (caller.revoked) {
    throw new LoraplexError('invalid_api_key', 'This API key was revoked.')
  }
  if (caller.expiresAtMs <= nowMs) {
    throw new LoraplexError('invalid_api_key', 'This API key has expired.')
  }
  if (caller.suspended) {
    throw new LoraplexError(
      'tenant_suspended',
      'Access is suspended. Ask the operator of this service.',
    )
  }
}

/** Any token of 20–256 printable characters is a key; what is not one is not looked up. */
const keyShape = /^[\x21-\x7e]{20,256}$/

function readKey(headers: IncomingHttpHeaders): string | undefined {
  const { authorization } = headers
  if (authorization !== undefined) {
    const separator = authorization.indexOf(' ')
    const scheme = authorization.slice(0, separator).toLowerCase()
    const token = authorization.slice(separator + 1).trim()
    return scheme === 'bearer' && keyShape.test(token) ? token : undefined
  }
  const alternative = headers['x-api-key'] ?? headers['api-key']
  return typeof alternative === 'string' && keyShape.test(alternative) ? alternative : undefined
}
