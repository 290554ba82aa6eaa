import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { InferencePath } from '../../src/gateway/endpoints/inference-endpoint.ts'
import { aPool } from '../support/builders.ts'
import { eventually } from '../support/eventually.ts'
import {
  GatewayBed,
  keyOfTenant,
  revisionFor,
  tenants,
  type BedOptions,
} from '../support/gateway-bed.ts'
import { begin, call, dataOf } from '../support/http-caller.ts'
import { smallestBodies } from '../support/smallest-bodies.ts'

const embedding: BedOptions = {
  simulator: { task: 'Embed' },
  objects: [
    aPool('llama').with({ model: { uri: 'file:./base', task: 'Embed' } }),
    ...tenants.filter((builder) => builder.key !== 'models/llama'),
  ],
}
const paths = Object.keys(smallestBodies) as readonly InferencePath[]
const embedPaths: readonly InferencePath[] = ['/v1/embeddings', '/v1/rerank', '/v1/score']
const streamed: readonly InferencePath[] = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/messages',
  '/v1/responses',
]
/** Nothing in these is about a model. */
const counts: readonly InferencePath[] = ['/tokenize', '/v1/messages/count_tokens']
const fingerprint = `lpx_${revisionFor('acme/tickets').slice(0, 12)}_simulated`

let writer: GatewayBed
let embedder: GatewayBed
beforeAll(async () => {
  writer = await GatewayBed.start()
  embedder = await GatewayBed.start(embedding)
})
afterEach(() => writer.engine.faults.clear())
afterAll(async () => {
  await writer.close()
  await embedder.close()
})

const acme = keyOfTenant('acme')
const bedOf = (path: InferencePath) => (embedPaths.includes(path) ? embedder : writer)

function ask(path: InferencePath, more: object = {}, key = acme) {
  const body = { ...smallestBodies[path], ...more }
  return call(`${bedOf(path).url}${path}`, { key, body })
}

/** Names that only engines and we know. */
const inside = /lpx-|lpx_base|cache_salt/

describe.each(paths)('%s', (path) => {
  test('answers with the caller’s name, and none of the engine’s', async () => {
    const answer = await ask(path)
    expect(answer.status).toBe(200)
    expect(answer.headers['x-request-id']).toMatch(/^req_/)
    expect(answer.text).not.toMatch(inside)
    expect(JSON.stringify(answer.headers)).not.toMatch(inside)
    const body = answer.json() as object
    if (counts.includes(path)) {
      expect(body).not.toHaveProperty('model')
    } else {
      expect(body).toMatchObject({ model: 'tickets', system_fingerprint: fingerprint })
    }
  })

  test('answers to x-api-key alone', async () => {
    const answer = await call(`${bedOf(path).url}${path}`, {
      headers: { 'x-api-key': acme },
      body: smallestBodies[path],
    })
    expect(answer.status).toBe(200)
  })

  test('refuses in the shape of its API', async () => {
    const bodies = await Promise.all([
      ask(path, {}, 'sk-nobody-nobody-nobody-nobody'),
      ask(path, { priority: 1 }),
      call(`${bedOf(path).url}${path}`, { key: acme, body: '{"model":' }),
      call(`${bedOf(path).url}${path}`, {
        key: acme,
        body: 'x',
        headers: { 'content-type': 'text/plain' },
      }),
      call(`${bedOf(path).url}${path}`, { key: acme, method: 'GET' }),
    ])
    expect(bodies.map(({ status }) => status)).toEqual([401, 400, 400, 415, 404])
    for (const { text, headers } of bodies) {
      const body = JSON.parse(text) as Readonly<Record<string, object>>
      const id = headers['x-request-id']
      if (path.startsWith('/v1/messages')) {
        expect(Object.keys(body)).toEqual(['type', 'error', 'request_id'])
        expect(Object.keys(body['error'] ?? {})).toEqual(['type', 'message', 'details'])
        expect(body['request_id']).toBe(id)
        expect(headers['request-id']).toBe(id)
      } else {
        expect(Object.keys(body['error'] ?? {}).sort()).toEqual([
          'code',
          'message',
          'param',
          'type',
        ])
        expect(headers['request-id']).toBeUndefined()
      }
    }
  })

  test('does not take the operator’s fields, or state', async () => {
    for (const field of ['cache_salt', 'priority', 'previous_response_id', 'lora_name']) {
      const answer = await ask(path, { [field]: 'x' })
      expect(answer.status).toBe(400)
      expect(answer.text).toContain(`'${field}'`)
    }
  })
})

describe.each(streamed)('a stream of %s', (path) => {
  const many = { max_tokens: 900, max_output_tokens: 900, ignore_eos: true, stream: true }

  test('names the caller’s model and nothing of the engine’s', async () => {
    const answer = await ask(path, { stream: true })
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8')
    expect(answer.text).not.toMatch(inside)
    expect(answer.text).toContain('"model":"tickets"')
    expect(answer.text).toContain(fingerprint)
    expect(answer.text).not.toContain('error')
  })

  test('says that somebody is there while the engine thinks', async () => {
    const patient = await GatewayBed.start({ gateway: { limits: { keepAliveMs: 200 } } })
    try {
      patient.engine.faults.add({ kind: 'SlowDrip', delayMs: 2000, times: 1 })
      const answer = await call(`${patient.url}${path}`, {
        key: acme,
        body: { ...smallestBodies[path], max_tokens: 2, max_output_tokens: 2, stream: true },
      })
      const [first] = answer.text.split('\n\n')
      expect(first).toBe(
        path === '/v1/messages' ? 'event: ping\ndata: {"type":"ping"}' : ': keep-alive',
      )
      expect(answer.text).toContain('"model":"tickets"')
    } finally {
      await patient.close()
    }
  })

  test('of an engine that dies ends as this API’s streams end badly', async () => {
    const mortal = await GatewayBed.start()
    try {
      const end = await begin(`${mortal.url}${path}`, {
        key: acme,
        body: { ...smallestBodies[path], ...many },
      })
      mortal.engine.crash()
      const { text } = await end()
      const frames = text.trimEnd().split('\n\n')
      const last = frames.slice(-2).map((frame) => frame.split('\n')[0])
      const wanted: Readonly<Partial<Record<InferencePath, unknown>>> = {
        '/v1/messages': [expect.any(String), 'event: error'],
        '/v1/responses': ['event: error', 'event: response.failed'],
      }
      expect(last).toEqual(
        wanted[path] ?? [expect.stringMatching(/^data: \{"error"/), 'data: [DONE]'],
      )
      expect(text.match(/engine_failed/g)).toHaveLength(1)
      await eventually(() => mortal.gateway.inFlight).toBe(0)
    } finally {
      await mortal.close()
    }
  })

  test('of another model never reaches the caller', async () => {
    writer.engine.faults.add({ kind: 'WrongModel', says: 'lpx-another', times: 2 })
    const answer = await ask(path, { stream: true })
    expect(answer.status).toBe(502)
    expect(answer.text).not.toMatch(inside)
  })

  test('that its caller leaves is counted as far as it came, and frees the engine', async () => {
    const left = await GatewayBed.start()
    try {
      // Not every API can be told to go on and on.
      left.engine.faults.add({ kind: 'SlowDrip', delayMs: 100 })
      const leave = new AbortController()
      const end = await begin(`${left.url}${path}`, {
        key: acme,
        body: { ...smallestBodies[path], ...many },
        signal: leave.signal,
      })
      await eventually(() => left.engine.engine.metrics.generationTokens > 3).toBe(true)
      leave.abort()
      await expect(end()).rejects.toThrow()
      await eventually(() => left.engine.engine.gauges.running).toBe(0)
      await eventually(() => left.gateway.inFlight).toBe(0)
      const metrics = await left.gateway.metrics.registry.metrics()
      const output = Number(
        /loraplex_tokens_total\{[^}]*kind="output"[^}]*\} (\d+)/.exec(metrics)?.[1] ?? 0,
      )
      expect(output).toBeGreaterThan(0)
      expect(output).toBeLessThanOrEqual(left.engine.engine.metrics.generationTokens)
    } finally {
      await left.close()
    }
  })
})

test('tokens are counted alike whatever the API', async () => {
  const bed = await GatewayBed.start()
  try {
    const talk = { model: 'tickets', messages: [{ role: 'user', content: 'hello there' }] }
    const bodies: readonly (readonly [InferencePath, object])[] = [
      ['/v1/chat/completions', { ...talk, max_tokens: 5 }],
      ['/v1/messages', { ...talk, max_tokens: 5 }],
      ['/v1/responses', { model: 'tickets', input: 'hello there', max_output_tokens: 5 }],
    ]
    for (const [path, body] of bodies) {
      for (const stream of [false, true]) {
        await call(`${bed.url}${path}`, { key: acme, body: { ...body, stream } })
      }
    }
    const metrics = await bed.gateway.metrics.registry.metrics()
    const { promptTokens, generationTokens } = bed.engine.engine.metrics
    expect(metrics).toMatch(new RegExp(`kind="input"\\} ${promptTokens}\\b`))
    expect(metrics).toMatch(new RegExp(`kind="output"\\} ${generationTokens}\\b`))
    expect(generationTokens).toBe(30)
  } finally {
    await bed.close()
  }
})

test('a tenant’s prompts are never found in another’s cache', async () => {
  const text = 'say this again and again '.repeat(16)
  const body = {
    model: 'llama-base',
    max_tokens: 2,
    messages: [{ role: 'user', content: text }],
  }
  const cachedFor = async (tenant: string): Promise<number> => {
    const answer = await call(`${writer.url}/v1/messages`, { key: keyOfTenant(tenant), body })
    const { usage } = answer.json() as { readonly usage: { cache_read_input_tokens: number } }
    return usage.cache_read_input_tokens
  }
  expect(await cachedFor('acme')).toBe(0)
  expect(await cachedFor('acme')).toBeGreaterThan(0)
  expect(await cachedFor('globex')).toBe(0)
})

test('frames of responses count on without a gap', async () => {
  const { text } = await ask('/v1/responses', { stream: true })
  const numbers = dataOf(text).map(
    (data) => (JSON.parse(data) as { sequence_number: number }).sequence_number,
  )
  expect(numbers).toEqual(numbers.map((_, at) => at))
})
