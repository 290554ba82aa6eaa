import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { anAdapterStatus } from '../support/builders.ts'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant, revisionFor } from '../support/gateway-bed.ts'
import { recordedFetch, refusalOf, withRefusals } from '../support/sdk-clients.ts'

const { objects, statuses } = withRefusals

let bed: GatewayBed
beforeAll(async () => {
  bed = await GatewayBed.start({ objects, statuses })
})
beforeEach(() => {
  bed.engine.faults.clear()
  bed.setObjects(objects, statuses)
})
afterAll(() => bed.close())

/** The real client, and every HTTP request it made. */
function aClient(options: Partial<ConstructorParameters<typeof OpenAI>[0]> = {}) {
  const { requests, fetch } = recordedFetch()
  const client = new OpenAI({
    apiKey: keyOfTenant('acme'),
    baseURL: `${bed.url}/v1`,
    maxRetries: 0,
    fetch,
    ...options,
  })
  return { client, requests }
}

const hello = {
  model: 'tickets',
  messages: [{ role: 'user' as const, content: 'hello there' }],
  max_tokens: 5,
  temperature: 0,
}

const errorOf = (promise: Promise<unknown>) =>
  refusalOf<InstanceType<typeof OpenAI.APIError>>(promise, OpenAI.OpenAIError)

describe('answers', () => {
  test('to a chat', async () => {
    const answer = await aClient().client.chat.completions.create(hello)
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'tickets',
      system_fingerprint: `lpx_${revisionFor('acme/tickets').slice(0, 12)}_simulated`,
      usage: { completion_tokens: 5 },
    })
    expect(answer.choices[0]?.message.content).not.toBe('')
    expect(answer._request_id).toMatch(/^req_/)
  })

  test('streamed, the same words', async () => {
    const { client } = aClient()
    const whole = await client.chat.completions.create(hello)
    const stream = await client.chat.completions.create({ ...hello, stream: true })
    let words = ''
    for await (const chunk of stream) {
      expect(chunk).toMatchObject({ object: 'chat.completion.chunk', model: 'tickets' })
      expect(chunk.usage ?? null).toBeNull()
      words += chunk.choices[0]?.delta.content ?? ''
    }
    expect(words).toBe(whole.choices[0]?.message.content)
  })

  test('streamed with usage when asked for it, in the last chunk', async () => {
    const stream = await aClient().client.chat.completions.create({
      ...hello,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = []
    for await (const chunk of stream) {
      chunks.push(chunk)
    }
    expect(chunks.filter((chunk) => (chunk.usage ?? null) !== null)).toHaveLength(1)
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 5 } })
  })

  test('through the stream helper, put together again', async () => {
    const { client } = aClient()
    const whole = await client.chat.completions.create(hello)
    const final = await client.chat.completions.stream(hello).finalChatCompletion()
    expect(final.choices[0]?.message.content).toBe(whole.choices[0]?.message.content)
    expect(final.choices[0]?.finish_reason).toBe(whole.choices[0]?.finish_reason)
  })

  test('with several choices and log probabilities', async () => {
    const answer = await aClient().client.chat.completions.create({
      ...hello,
      n: 2,
      temperature: 1,
      logprobs: true,
      top_logprobs: 2,
    })
    expect(answer.choices.map((choice) => choice.index)).toEqual([0, 1])
    expect(answer.choices[0]?.logprobs?.content).toHaveLength(5)
  })

  test('to a completion, whole and streamed', async () => {
    const { client } = aClient()
    const body = { model: 'tickets', prompt: 'hello there', max_tokens: 4, temperature: 0 }
    const whole = await client.completions.create(body)
    const stream = await client.completions.create({ ...body, stream: true })
    let words = ''
    for await (const chunk of stream) {
      words += chunk.choices[0]?.text ?? ''
    }
    expect(words).toBe(whole.choices[0]?.text)
  })

  test('bear a request id that withResponse shows', async () => {
    const { response, request_id } = await aClient()
      .client.chat.completions.create({ ...hello, stream: true })
      .withResponse()
    expect(request_id).toMatch(/^req_/)
    expect(response.headers.get('x-request-id')).toBe(request_id)
    await response.body?.cancel()
  })

  test('do not mind an organisation, a project and headers of the caller', async () => {
    const { client } = aClient({ organization: 'org-1', project: 'proj-1' })
    const answer = await client.chat.completions.create(
      { ...hello, user: 'u1', store: true, metadata: { a: 'b' } },
      { headers: { 'x-request-id': 'mine', 'x-forwarded-for': '1.2.3.4' } },
    )
    expect(answer._request_id).not.toBe('mine')
  })
})

describe('models', () => {
  test('are listed', async () => {
    const ids = []
    for await (const model of aClient().client.models.list()) {
      expect(model).toMatchObject({ object: 'model', owned_by: 'loraplex-simulator' })
      ids.push(model.id)
    }
    expect(ids).toEqual(['broken', 'paused', 'tickets', 'llama-base'])
  })

  test('are retrieved, by ids with slashes too', async () => {
    const { client } = aClient()
    expect((await client.models.retrieve('tickets')).id).toBe('tickets')
    expect((await client.models.retrieve('acme/tickets')).id).toBe('acme/tickets')
    const error = await errorOf(client.models.retrieve('globex/shout'))
    expect(error).toBeInstanceOf(OpenAI.NotFoundError)
    expect(error.code).toBe('model_not_found')
  })
})

describe('retries', () => {
  test('after a 502 reach an engine that is well again', async () => {
    const { client, requests } = aClient({ maxRetries: 2 })
    bed.engine.faults.add({ kind: 'ErrorInStream', afterTokens: 0, times: 1 })
    const stream = await client.chat.completions.create({ ...hello, stream: true })
    for await (const chunk of stream) {
      expect(chunk.model).toBe('tickets')
    }
    expect(requests.map((request) => request.retry)).toEqual(['0', '1'])
  })

  test('find an adapter that was still loading', async () => {
    bed.setObjects(objects, {
      ...statuses,
      'acme/tickets': anAdapterStatus({ ready: ['False', 'Loading'] }),
    })
    const { client, requests } = aClient({ maxRetries: 1, timeout: 2000 })
    const answer = client.chat.completions.create(hello)
    await eventually(() => requests.length).toBe(2)
    bed.setObjects(objects, statuses)
    expect((await answer).model).toBe('tickets')
  })

  test('of a gateway that is gone end in a connection error', async () => {
    const { client, requests } = aClient({ maxRetries: 1, baseURL: 'http://127.0.0.1:9/v1' })
    const error = await errorOf(client.models.list())
    expect(error).toBeInstanceOf(OpenAI.APIConnectionError)
    expect(requests).toHaveLength(2)
  })
})

describe('a caller that has waited long enough', () => {
  test('gets its timeout error, and the engine is free', async () => {
    bed.engine.faults.add({ kind: 'Hang', afterTokens: 0 })
    const { client } = aClient({ timeout: 300 })
    const error = await errorOf(client.chat.completions.create(hello))
    expect(error).toBeInstanceOf(OpenAI.APIConnectionTimeoutError)
    await eventually(() => bed.gateway.inFlight).toBe(0)
  })

  test('can leave a stream by breaking out of it', async () => {
    const stream = await aClient().client.chat.completions.create({
      ...hello,
      max_tokens: 900,
      stream: true,
    })
    for await (const chunk of stream) {
      expect(chunk.model).toBe('tickets')
      break
    }
    await eventually(() => bed.engine.engine.gauges.running).toBe(0)
  })

  test('can abort a request', async () => {
    const leave = new AbortController()
    bed.engine.faults.add({ kind: 'Hang', afterTokens: 0 })
    const answer = aClient().client.chat.completions.create(hello, { signal: leave.signal })
    await eventually(() => bed.gateway.inFlight).toBe(1)
    leave.abort()
    expect(await errorOf(answer)).toBeInstanceOf(OpenAI.APIUserAbortError)
    await eventually(() => bed.gateway.inFlight).toBe(0)
  })
})
