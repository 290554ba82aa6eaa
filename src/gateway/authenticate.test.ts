import { describe, expect, test } from 'vitest'
import { aKey, aSnapshot, aTenant, secretOf } from '../../test/support/builders.ts'
import { buildRoutingTable } from '../core/resolve.ts'
import { LoraplexError, type ErrorCode } from '../errors.ts'
import { authenticate } from './authenticate.ts'

const now = Date.UTC(2026, 10, 20)

const table = buildRoutingTable({
  snapshot: aSnapshot([
    aTenant('acme'),
    aTenant('stopped').suspended(),
    aKey('good'),
    aKey('revoked').revoked(),
    aKey('expired').expiring('2026-11-20T00:00:00Z'),
    aKey('lasting').expiring('2026-11-20T00:00:01Z'),
    aKey('stopped').in('stopped'),
    aKey('both').in('stopped').revoked(),
  ]),
  statusOf: () => undefined,
})

function refusalOf(headers: Record<string, string>): ErrorCode | undefined {
  try {
    authenticate(table, headers, now)
    return undefined
  } catch (error) {
    if (error instanceof LoraplexError) {
      expect(error.message).not.toMatch(/sk-/)
      return error.code
    }
    throw error
  }
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` })

describe('a key is taken', () => {
  const taken: Record<string, Record<string, string>> = {
    'as a bearer token': bearer(secretOf('good')),
    'whatever the case of the scheme': { authorization: `bEARER ${secretOf('good')}` },
    'with spaces around it': { authorization: `Bearer   ${secretOf('good')} ` },
    'as Anthropic’s clients send it': { 'x-api-key': secretOf('good') },
    'as Azure’s do': { 'api-key': secretOf('good') },
    'a second before it expires': bearer(secretOf('lasting')),
  }
  test.each(Object.entries(taken))('%s', (_sentence, headers) => {
    expect(authenticate(table, headers, now).tenant).toBe('acme')
  })
})

describe('a caller is refused', () => {
  const refused: Record<string, [Record<string, string>, ErrorCode]> = {
    'without a key': [{}, 'invalid_api_key'],
    'with an empty Authorization': [{ authorization: '' }, 'invalid_api_key'],
    'with a scheme alone': [{ authorization: 'Bearer' }, 'invalid_api_key'],
    'with a key without its scheme': [{ authorization: secretOf('good') }, 'invalid_api_key'],
    'with another scheme': [{ authorization: `Basic ${secretOf('good')}` }, 'invalid_api_key'],
    'with a beginning of a key': [bearer(secretOf('good').slice(0, -1)), 'invalid_api_key'],
    'with a key and something behind it': [bearer(`${secretOf('good')}x`), 'invalid_api_key'],
    'with two keys': [bearer(`${secretOf('good')} ${secretOf('good')}`), 'invalid_api_key'],
    'with the hash of a key': [bearer([...table.callers.keys()][0] ?? ''), 'invalid_api_key'],
    'with a key of 257 letters': [bearer('k'.repeat(257)), 'invalid_api_key'],
    'with a key of 19 letters': [bearer('k'.repeat(19)), 'invalid_api_key'],
    'with letters that no key has': [bearer('ключ-ключ-ключ-ключ-ключ'), 'invalid_api_key'],
    'with a bad bearer token, whatever else there is': [
      { authorization: 'Bearer x', 'x-api-key': secretOf('good') },
      'invalid_api_key',
    ],
    'with a revoked key': [bearer(secretOf('revoked')), 'invalid_api_key'],
    'with a key that expires now': [bearer(secretOf('expired')), 'invalid_api_key'],
    'whose tenant is suspended': [bearer(secretOf('stopped')), 'tenant_suspended'],
    'with a revoked key of a suspended tenant': [bearer(secretOf('both')), 'invalid_api_key'],
  }
  test.each(Object.entries(refused))('%s', (_sentence, [headers, want]) => {
    expect(refusalOf(headers)).toBe(want)
  })
})
