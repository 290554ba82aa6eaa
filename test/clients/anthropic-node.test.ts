import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant, revisionFor } from '../support/gateway-bed.ts'
import { recordedFetch, refusalOf, withRefusals } from '../support/sdk-clients.ts'

const { objects, statuses } = withRefusals

let bed: GatewayBed
beforeAll(async () => {
  bed = await GatewayBed.start({ objects, statuses, simulator: { toolCalls: true } })
})
beforeEach(() => {
  bed.engine.faults.clear()
  bed.setObjects(objects, statuses)
})
afterAll(() => bed.close())

/** The real client, and every HTTP request it made. */
function aClient(options: Partial<ConstructorParameters<typeof Anthropic>[0]> = {}) {
  const { requests, fetch } = recordedFetch()
  const client = new Anthropic({
    apiKey: keyOfTenant('acme'),
    baseURL: bed.url,
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
}
const weather = {
  name: 'weather',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } },
}

const errorOf = (promise: Promise<unknown>) =>
  refusalOf<InstanceType<typeof Anthropic.APIError>>(promise, Anthropic.AnthropicError)

function textOf(message: Anthropic.Message): string {
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
}

describe('answers', () => {
  test('to a message, by x-api-key', async () => {
    const answer = await aClient().client.messages.create(hello)
    expect(answer).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'tickets',
      stop_reason: 'max_tokens',
      system_fingerprint: `lpx_${revisionFor('acme/tickets').slice(0, 12)}_simulated`,
      usage: { output_tokens: 5 },
    })
    expect(textOf(answer)).not.toBe('')
    expect(answer._request_id).toMatch(/^req_/)
  })

  test('to a bearer of the key, too', async () => {
    const { client } = aClient({ apiKey: null, authToken: keyOfTenant('acme') })
    expect((await client.messages.create(hello)).model).toBe('tickets')
  })

  test('streamed, the same words', async () => {
    const { client } = aClient()
    const whole = await client.messages.create(hello)
    const stream = await client.messages.create({ ...hello, stream: true })
    let words = ''
    const types = new Set<string>()
    for await (const event of stream) {
      types.add(event.type)
      if (event.type === 'message_start') {
        expect(event.message).toMatchObject({ model: 'tickets', type: 'message' })
      }
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') {
        words += event.delta.text
      }
    }
    expect(words).toBe(textOf(whole))
    expect(types).toContain('message_stop')
  })

  test('through the stream helper, put together again', async () => {
    const { client } = aClient()
    const whole = await client.messages.create(hello)
    const final = await client.messages.stream(hello).finalMessage()
    expect(textOf(final)).toBe(textOf(whole))
    expect(final).toMatchObject({ model: 'tickets', stop_reason: 'max_tokens' })
    expect(final.usage).toMatchObject({ output_tokens: 5 })
  })

  test.each([false, true])('with a tool to call (streamed: %s)', async (streamed) => {
    const { client } = aClient()
    const body = {
      ...hello,
      max_tokens: 64,
      system: 'be brief',
      tools: [weather],
      tool_choice: { type: 'tool' as const, name: 'weather' },
    }
    const answer = streamed
      ? await client.messages.stream(body).finalMessage()
      : await client.messages.create(body)
    expect(answer.stop_reason).toBe('tool_use')
    const [call] = answer.content
    expect(call).toMatchObject({ type: 'tool_use', name: 'weather', input: {} })
    const after = await client.messages.create({
      ...hello,
      tools: [weather],
      messages: [
        ...hello.messages,
        { role: 'assistant', content: answer.content },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: call?.type === 'tool_use' ? call.id : '',
              content: 'sunny',
            },
          ],
        },
      ],
    })
    expect(textOf(after)).not.toBe('')
  })

  test('to a count of tokens', async () => {
    const { client } = aClient()
    const { model, messages } = hello
    const counted = await client.messages.countTokens({ model, messages })
    const answered = await client.messages.create(hello)
    expect(counted.input_tokens).toBe(
      answered.usage.input_tokens + (answered.usage.cache_read_input_tokens ?? 0),
    )
  })

  test('to what there is to call', async () => {
    const ids: string[] = []
    for await (const model of aClient().client.models.list()) {
      ids.push(model.id)
    }
    expect(ids).toEqual(['broken', 'paused', 'tickets', 'llama-base'])
  })

  test('bear a request id that withResponse shows', async () => {
    const { response, request_id } = await aClient()
      .client.messages.create({ ...hello, stream: true })
      .withResponse()
    expect(request_id).toMatch(/^req_/)
    expect(response.headers.get('x-request-id')).toBe(request_id)
    await response.body?.cancel()
  })

  test('do not mind fields of the service this client was made for', async () => {
    const { response } = await aClient()
      .client.messages.create({ ...hello, metadata: { user_id: 'u1' }, service_tier: 'auto' })
      .withResponse()
    expect(response.headers.get('x-loraplex-ignored-fields')).toBe('metadata, service_tier')
  })

  test('hold the connection with pings that the client does not show', async () => {
    const patient = await GatewayBed.start({ gateway: { limits: { keepAliveMs: 100 } } })
    try {
      patient.engine.faults.add({ kind: 'Hang', afterTokens: 0, times: 1 })
      const leave = new AbortController()
      const { client } = aClient({ baseURL: patient.url })
      const stream = await client.messages.create(
        { ...hello, stream: true },
        { signal: leave.signal },
      )
      const events: unknown[] = []
      setTimeout(() => leave.abort(), 1500)
      for await (const event of stream) {
        events.push(event)
      }
      expect(events).toEqual([])
    } finally {
      await patient.close()
    }
  })
})

describe('retries', () => {
  test('after a 502 reach an engine that is well again', async () => {
    const { client, requests } = aClient({ maxRetries: 2 })
    bed.engine.faults.add({ kind: 'ErrorInStream', afterTokens: 0, times: 1 })
    const answer = await client.messages.stream(hello).finalMessage()
    expect(answer.model).toBe('tickets')
    expect(requests.map((request) => request.retry)).toEqual(['0', '1'])
  })
})

describe('a caller that has waited long enough', () => {
  test('gets its timeout error, and the engine is free', async () => {
    bed.engine.faults.add({ kind: 'Hang', afterTokens: 0 })
    const { client } = aClient({ timeout: 300 })
    const error = await errorOf(client.messages.create(hello))
    expect(error).toBeInstanceOf(Anthropic.APIConnectionTimeoutError)
    await eventually(() => bed.gateway.inFlight).toBe(0)
  })

  test('can leave a stream by breaking out of it', async () => {
    const stream = await aClient().client.messages.create({
      ...hello,
      max_tokens: 900,
      stream: true,
    })
    for await (const event of stream) {
      expect(event.type).toBe('message_start')
      break
    }
    await eventually(() => bed.engine.engine.gauges.running).toBe(0)
  })
})
