import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/errors.ts'
import { aKey, anAdapter, anAdapterStatus, aTenant } from '../support/builders.ts'
import { expectRefusal } from '../support/error-shape.ts'
import { GatewayBed, keyOfTenant, tenants } from '../support/gateway-bed.ts'
import { call, type CallOptions } from '../support/http-caller.ts'

let bed: GatewayBed
beforeAll(async () => {
  bed = await GatewayBed.start({
    bodyLimit: 64 * 1024,
    objects: [
      ...tenants,
      aTenant('stopped').suspended(),
      aKey('stopped').in('stopped'),
      aKey('revoked').in('acme').revoked(),
      aKey('expired').in('acme').expiring('2020-01-01T00:00:00Z'),
      aKey('narrow').in('acme').allowing('paused'),
      anAdapter('paused').in('acme').suspended(),
      anAdapter('broken').in('acme'),
    ],
    statuses: {
      'acme/broken': anAdapterStatus({
        ready: ['False', 'NotFinite', 'The weight q_proj.lora_A is not finite.'],
      }),
    },
  })
})
afterAll(() => bed.close())

const acme = keyOfTenant('acme')
const hello = { model: 'tickets', messages: [{ role: 'user', content: 'hello' }], max_tokens: 2 }

interface Row extends CallOptions {
  readonly path?: string
  readonly want: ErrorCode
  readonly wantParam?: string
  readonly wantWords?: string
}

const chat = (body: object | string, rest: Partial<Row> = {}) => ({
  key: acme,
  path: '/v1/chat/completions',
  body,
  ...rest,
})

const rows: Record<string, Row> = {
  'no key': { path: '/v1/models', want: 'invalid_api_key', wantWords: 'did not provide' },
  'an unknown key': {
    path: '/v1/models',
    key: 'sk-unknown-unknown-unknown',
    want: 'invalid_api_key',
    wantWords: 'Incorrect',
  },
  'a key too short to be one': { path: '/v1/models', key: 'short', want: 'invalid_api_key' },
  'a key with a space inside': {
    path: '/v1/models',
    key: 'sk-with a space inside it',
    want: 'invalid_api_key',
  },
  'another scheme': {
    path: '/v1/models',
    headers: { authorization: `Basic ${acme}` },
    want: 'invalid_api_key',
  },
  'an Authorization header that hides a good x-api-key': {
    path: '/v1/models',
    headers: { authorization: 'Basic x', 'x-api-key': acme },
    want: 'invalid_api_key',
  },
  'a revoked key': {
    path: '/v1/models',
    key: keyOfTenant('revoked'),
    want: 'invalid_api_key',
    wantWords: 'revoked',
  },
  'an expired key': {
    path: '/v1/models',
    key: keyOfTenant('expired'),
    want: 'invalid_api_key',
    wantWords: 'expired',
  },
  'a suspended tenant': {
    path: '/v1/models',
    key: keyOfTenant('stopped'),
    want: 'tenant_suspended',
  },
  'no key, before the body is even looked at': {
    path: '/v1/chat/completions',
    body: '{"broken',
    want: 'invalid_api_key',
  },
  'a name of nobody': {
    ...chat({ ...hello, model: 'nobody' }),
    want: 'model_not_found',
    wantParam: 'model',
  },
  'a name of somebody else': {
    ...chat({ ...hello, model: 'shout' }),
    want: 'model_not_found',
    wantParam: 'model',
  },
  'somebody else’s full name': {
    ...chat({ ...hello, model: 'globex/shout' }),
    want: 'model_not_found',
    wantParam: 'model',
  },
  'the name of the pool’s base, unasked': {
    ...chat({ ...hello, model: 'llama' }),
    want: 'model_not_found',
    wantParam: 'model',
  },
  'a name that the key does not allow': {
    ...chat(hello, { key: keyOfTenant('narrow') }),
    want: 'model_not_found',
    wantParam: 'model',
  },
  'a model entry of nobody': {
    path: '/v1/models/nobody',
    key: acme,
    want: 'model_not_found',
    wantParam: 'model',
  },
  'a suspended adapter': { ...chat({ ...hello, model: 'paused' }), want: 'adapter_suspended' },
  'a failed adapter, with its condition’s words': {
    ...chat({ ...hello, model: 'broken' }),
    want: 'adapter_failed',
    wantWords: 'q_proj.lora_A is not finite',
  },
  'a forbidden field': {
    ...chat({ ...hello, cache_salt: 'theirs' }),
    want: 'forbidden_field',
    wantParam: 'cache_salt',
  },
  'bad JSON': { ...chat('{"model": '), want: 'invalid_json' },
  'no body': {
    path: '/v1/chat/completions',
    key: acme,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    want: 'invalid_json',
  },
  'a list for a body': { ...chat('[1]'), want: 'invalid_json' },
  'another media type': {
    ...chat('model=tickets', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }),
    want: 'unsupported_media_type',
  },
  'a body over the limit': {
    ...chat({ ...hello, messages: [{ role: 'user', content: 'x'.repeat(70_000) }] }),
    want: 'request_too_large',
  },
  'a field of the wrong shape, in the engine’s words': {
    ...chat({ ...hello, temperature: 'hot' }),
    want: 'invalid_request',
    wantParam: 'temperature',
  },
  'a prompt too long for the model': {
    ...chat({ ...hello, messages: [{ role: 'user', content: 'word '.repeat(3000) }] }),
    want: 'context_length_exceeded',
    wantWords: 'maximum context length',
  },
  'the same in a stream: a real status all the same': {
    ...chat({
      ...hello,
      stream: true,
      messages: [{ role: 'user', content: 'word '.repeat(3000) }],
    }),
    want: 'context_length_exceeded',
  },
  'another route of OpenAI’s': { path: '/v1/files', key: acme, want: 'route_not_found' },
  'a route of the engine’s': {
    path: '/v1/load_lora_adapter',
    key: acme,
    body: {},
    want: 'route_not_found',
  },
  'the engine’s metrics': { path: '/metrics', key: acme, want: 'route_not_found' },
  'another method': { path: '/v1/chat/completions', key: acme, want: 'route_not_found' },
}

describe('a request is refused for', () => {
  test.each(Object.entries(rows))('%s', async (_sentence, row) => {
    const { path, want, wantParam, wantWords, ...options } = row
    const before = bed.engine.engine.gauges
    const error = expectRefusal(await call(`${bed.url}${path}`, options), want)
    expect(error.param).toBe(wantParam ?? (want === 'context_length_exceeded' ? error.param : null))
    if (wantWords !== undefined) {
      expect(error.message).toContain(wantWords)
    }
    // I7, I14: nothing of the inside.
    expect(JSON.stringify(error)).not.toMatch(/lpx-|\/work|\/home|node_modules|engine-key/)
    expect(bed.engine.engine.gauges).toEqual(before)
  })

  test('an unknown field, where the operator wants that', async () => {
    const strict = await GatewayBed.start({ unknownFields: 'Reject' })
    try {
      const answer = await call(
        `${strict.url}/v1/chat/completions`,
        chat({ ...hello, new_field: 1 }),
      )
      expect(expectRefusal(answer, 'invalid_request').param).toBe('new_field')
    } finally {
      await strict.close()
    }
  })
})
