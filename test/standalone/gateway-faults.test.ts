import { request } from 'undici'
import { afterEach, describe, expect, test } from 'vitest'
import { engineNameOf } from '../../src/api/names.ts'
import type { FaultInput } from '../../src/sim/faults.ts'
import { expectRefusal } from '../support/error-shape.ts'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant, revisionFor, type BedOptions } from '../support/gateway-bed.ts'
import { begin, call, dataOf, type HttpAnswer } from '../support/http-caller.ts'

let bed: GatewayBed | undefined
afterEach(async () => {
  await bed?.close()
  bed = undefined
})

async function start(options: BedOptions = {}): Promise<GatewayBed> {
  bed = await GatewayBed.start(options)
  return bed
}

const hello = {
  model: 'tickets',
  messages: [{ role: 'user', content: 'hello there' }],
  max_tokens: 8,
  ignore_eos: true,
}

function ask(to: GatewayBed, body: object = {}): Promise<HttpAnswer> {
  return call(`${to.url}/v1/chat/completions`, {
    key: keyOfTenant('acme'),
    body: { ...hello, ...body },
  })
}

/** What a stream says that begins well: words, then perhaps one error, then the end. */
function readStream(answer: HttpAnswer) {
  expect(answer.status).toBe(200)
  const data = dataOf(answer.text)
  expect(data.at(-1)).toBe('[DONE]')
  expect(data.filter((text) => text === '[DONE]')).toHaveLength(1)
  const frames = data.slice(0, -1).map((text) => JSON.parse(text) as Record<string, unknown>)
  const errors = frames.filter((frame) => 'error' in frame)
  expect(errors.length === 0 || errors[0] === frames.at(-1)).toBe(true)
  return {
    words: frames.length - errors.length,
    error: errors[0]?.['error'] as Record<string, unknown> | undefined,
    errors: errors.length,
  }
}

const answered = (status: number, body: string, contentType = 'application/json'): FaultInput => ({
  kind: 'Answer',
  status,
  body,
  contentType,
})

const secret = 'Traceback: /srv/models/secret.py engine-key'

describe('before the first byte, a failure of the only engine is a real status', () => {
  const faults: Record<string, FaultInput> = {
    'an error event as the first of a stream': {
      kind: 'ErrorInStream',
      afterTokens: 0,
      message: secret,
    },
    'a 500 with words of the inside': answered(500, JSON.stringify({ error: { message: secret } })),
    'a 500 that is no JSON': answered(500, secret, 'text/html'),
    'a 404, as after a lost adapter': answered(404, '{"error":{"message":"lpx-base gone"}}'),
    'a 401 of another engine': answered(401, '{"error":"Unauthorized"}'),
    'a 200 of a login page': answered(200, '<html>sign in</html>', 'text/html'),
    'a 200 without a body': answered(200, ''),
    'an event stream of nonsense': answered(200, 'hello\n\nworld\n\n', 'text/event-stream'),
    'a line without an end': answered(200, `data: ${'x'.repeat(3_000_000)}`, 'text/event-stream'),
    'a refusal without an end': answered(500, 'x'.repeat(3_000_000)),
    'the answer of another model': { kind: 'WrongModel', says: 'lpx-another' },
  }
  const cases = Object.entries(faults).flatMap(([name, fault]) =>
    [true, false]
      .filter((stream) => stream || fault.kind !== 'ErrorInStream')
      .map((stream) => [name, stream ? 'streamed' : 'whole', fault] as const),
  )
  test.each(cases)('%s, %s', async (_name, how, fault) => {
    const to = await start()
    to.engine.faults.add(fault)
    const started = performance.now()
    const answer = await ask(to, { stream: how === 'streamed' })
    const error = expectRefusal(answer, 'engine_failed')
    expect(JSON.stringify(error)).not.toMatch(/secret|Traceback|lpx-|html|engine-key/)
    expect(performance.now() - started).toBeLessThan(1500)
    await eventually(() => to.engine.engine.gauges.running).toBe(0)
  })

  test('at its limit it is overloaded, with a time to come back', async () => {
    const to = await start()
    to.engine.faults.add({ kind: 'Overload' })
    const answer = await ask(to)
    expectRefusal(answer, 'overloaded')
    expect(answer.headers['retry-after']).toBe('2')
    expect(answer.headers['retry-after-ms']).toBe('2000')
  })

  test('a refusal inside a stream that is the caller’s fault is a 400', async () => {
    const to = await start()
    const body = JSON.stringify({ error: { message: 'bad größe', param: 'top_k', code: 400 } })
    to.engine.faults.add(answered(200, `data: ${body}\n\ndata: [DONE]\n\n`, 'text/event-stream'))
    const error = expectRefusal(await ask(to, { stream: true }), 'invalid_request')
    expect(error).toMatchObject({ message: 'bad größe', param: 'top_k' })
  })
})

describe('before the first byte, another engine takes over', () => {
  const faults: Record<string, FaultInput> = {
    'a reset connection': { kind: 'Reset', afterTokens: 0 },
    'a dying process': { kind: 'Crash', afterTokens: 0 },
    'a busy engine': { kind: 'Overload' },
    'a 500': answered(500, '{}'),
    'a 404': answered(404, '{}'),
    'an error as the first event': { kind: 'ErrorInStream', afterTokens: 0 },
    'another model’s answer': { kind: 'WrongModel', says: 'lpx-another' },
  }
  test.each(Object.entries(faults))('after %s', async (_name, fault) => {
    const to = await start({ replicas: 2 })
    to.engine.faults.add(fault)
    const answer = await ask(to, { stream: true })
    expect(readStream(answer)).toMatchObject({ error: undefined })
    const metrics = await to.gateway.metrics.registry.metrics()
    expect(metrics).toMatch(/loraplex_retries_total 1\b/)
  })

  test('when the first engine is being shut down and says so in the middle of nothing', async () => {
    const to = await start({ replicas: 2 })
    const draining = to.engine.drain(2000)
    to.engine.faults.add({ kind: 'Hang', afterTokens: 0 })
    const answer = await ask(to)
    expect(answer.status).toBe(200)
    await draining
  })

  test('but not a third, and none twice', async () => {
    const to = await start({ replicas: 3 })
    let failures = 0
    for (const { engine } of to.replicas) {
      engine.faults.onAdd = () => undefined
      engine.faults.add({ kind: 'Reset', afterTokens: 0 })
      const take = engine.faults.take.bind(engine.faults)
      engine.faults.take = (kind, model) => {
        const fault = take(kind, model)
        failures += fault?.kind === 'Reset' ? 1 : 0
        return fault
      }
    }
    expectRefusal(await ask(to), 'engine_failed')
    expect(failures).toBe(2)
  })

  test('the same engine’s next process counts as another', async () => {
    const to = await start()
    const [replica] = to.replicas
    to.engine.faults.add({ kind: 'Crash', afterTokens: 0 })
    const answer = ask(to, { stream: true })
    await eventually(() => to.gateway.queued).toBe(1)
    to.agent.down()
    await to.restart(replica!, 'the next process')
    expect(readStream(await answer)).toMatchObject({ error: undefined })
  })

  test('a connection lost by an engine that lives on is not waited out', async () => {
    const to = await start()
    to.engine.faults.add({ kind: 'Reset', afterTokens: 0 })
    const started = performance.now()
    expectRefusal(await ask(to), 'engine_failed')
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

describe('after the first byte', () => {
  const faults: Record<string, FaultInput> = {
    'the connection is reset': { kind: 'Reset', afterTokens: 3 },
    'the process dies': { kind: 'Crash', afterTokens: 3 },
    'the engine sends an error': { kind: 'ErrorInStream', afterTokens: 3, message: secret },
  }
  test.each(Object.entries(faults))('%s: one error frame, then [DONE]', async (_name, fault) => {
    const to = await start({ replicas: 2 })
    to.engine.faults.add(fault)
    const { words, error, errors } = readStream(await ask(to, { stream: true }))
    expect(errors).toBe(1)
    expect(words).toBeGreaterThanOrEqual(1)
    expect(error).toMatchObject({ type: 'server_error', code: 'engine_failed', param: null })
    expect(JSON.stringify(error)).not.toMatch(/secret|Traceback/)
    expect(await to.gateway.metrics.registry.metrics()).toMatch(/loraplex_retries_total 0\b/)
  })

  test('words of any script come through, in answers and in errors', async () => {
    const to = await start()
    const frame = JSON.stringify({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: engineNameOf(revisionFor('acme/tickets')),
      choices: [{ index: 0, delta: { content: 'größe 😀 …' }, finish_reason: null }],
    })
    const error = JSON.stringify({ error: { message: 'zu groß: 99 € 😀 …', code: 400 } })
    const body = `data: ${frame}\n\ndata: ${error}\n\n`
    to.engine.faults.add(answered(200, body, 'text/event-stream'))
    const answer = await ask(to, { stream: true })
    expect(readStream(answer)).toMatchObject({ error: { message: 'zu groß: 99 € 😀 …' } })
    expect(answer.text).toContain('größe 😀 …')
  })

  test('the engine falls silent: the stream is ended, and the engine is let go', async () => {
    const to = await start({ gateway: { limits: { engineSilenceMs: 300 } } })
    to.engine.faults.add({ kind: 'Hang', afterTokens: 2 })
    const { error } = readStream(await ask(to, { stream: true }))
    expect(error).toMatchObject({ code: 'engine_timeout' })
    await eventually(() => to.engine.engine.gauges.running).toBe(0)
  })

  test('an answer that was whole stays whole when the connection is torn behind it', async () => {
    const to = await start()
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => ask(to, { stream: true, max_tokens: 2 })),
    )
    to.engine.crash()
    expect(answers.map((answer) => readStream(answer).errors)).toEqual(Array(8).fill(0))
  })

  test('many streams of a killed engine end alike, and those elsewhere go on', async () => {
    const to = await start({ replicas: 2 })
    const streams = await Promise.all(
      Array.from({ length: 40 }, () =>
        begin(`${to.url}/v1/chat/completions`, {
          key: keyOfTenant('acme'),
          body: { ...hello, stream: true, max_tokens: 300 },
        }),
      ),
    )
    const [doomed = 0, others = 0] = to.replicas.map(({ engine }) => engine.engine.gauges.running)
    expect(doomed + others).toBe(40)
    expect(Math.min(doomed, others)).toBeGreaterThan(10)
    to.engine.crash()
    const results = (await Promise.all(streams.map((end) => end()))).map(readStream)
    expect(results.filter((result) => result.errors === 1)).toHaveLength(doomed)
    expect(results.filter((result) => result.errors === 0)).toHaveLength(others)
    await eventually(() => to.gateway.inFlight).toBe(0)
  })
})

describe('a long wait for the first byte', () => {
  test('is filled with comments that no client minds', async () => {
    const to = await start({ gateway: { limits: { keepAliveMs: 200 } } })
    to.engine.faults.add({ kind: 'SlowDrip', delayMs: 1200 })
    const answer = await ask(to, { stream: true, max_tokens: 1 })
    expect(answer.text).toMatch(/^: keep-alive\n\n/)
    expect(readStream(answer)).toMatchObject({ errors: 0 })
  })

  test('that ends badly ends in an error frame, because the status is out', async () => {
    const to = await start({ gateway: { limits: { keepAliveMs: 200 } } })
    to.engine.faults.add({ kind: 'Hang', afterTokens: 0 })
    const begun = await request(`${to.url}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${keyOfTenant('acme')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ ...hello, stream: true }),
    })
    expect(begun.statusCode).toBe(200)
    to.engine.crash()
    await to.gateway.close()
    const data = dataOf(await begun.body.text())
    expect(data).toHaveLength(2)
    expect(JSON.parse(data[0] ?? '')).toMatchObject({ error: { code: 'shutting_down' } })
    expect(data[1]).toBe('[DONE]')
  })

  test('of an answer that is not streamed stays silent', async () => {
    const to = await start({ gateway: { limits: { keepAliveMs: 100 } } })
    to.engine.faults.add({ kind: 'SlowDrip', delayMs: 900 })
    const answer = await ask(to)
    expect(answer.text).toMatch(/^\{/)
  })
})
