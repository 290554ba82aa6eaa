import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { aPool } from '../support/builders.ts'
import { GatewayBed, keyOfTenant, revisionFor, tenants } from '../support/gateway-bed.ts'
import { recordedFetch, refusalOf } from '../support/sdk-clients.ts'

let bed: GatewayBed
let embedding: GatewayBed
beforeAll(async () => {
  bed = await GatewayBed.start({ simulator: { toolCalls: true } })
  embedding = await GatewayBed.start({
    simulator: { task: 'Embed' },
    objects: [
      aPool('llama').with({ model: { uri: 'file:./base', task: 'Embed' } }),
      ...tenants.filter((builder) => builder.key !== 'models/llama'),
    ],
  })
})
beforeEach(() => bed.engine.faults.clear())
afterAll(async () => {
  await bed.close()
  await embedding.close()
})

/** The real client, and how many HTTP requests it made. */
function aClient(to = bed, maxRetries = 0) {
  const { requests, fetch } = recordedFetch()
  const client = new OpenAI({
    apiKey: keyOfTenant('acme'),
    baseURL: `${to.url}/v1`,
    maxRetries,
    fetch,
  })
  return { client, requests }
}

const errorOf = (promise: Promise<unknown>) =>
  refusalOf<InstanceType<typeof OpenAI.APIError>>(promise, OpenAI.OpenAIError)

const system_fingerprint = `lpx_${revisionFor('acme/tickets').slice(0, 12)}_simulated`
const hello = { model: 'tickets', input: 'hello there', max_output_tokens: 5 }
const schema = { type: 'object', properties: { city: { type: 'string' } } }

describe('responses', () => {
  test('answer with the caller’s name, words and usage', async () => {
    const answer = await aClient().client.responses.create({ ...hello, instructions: 'be brief' })
    expect(answer).toMatchObject({
      object: 'response',
      model: 'tickets',
      system_fingerprint,
      status: 'incomplete',
      instructions: 'be brief',
      usage: { output_tokens: 5 },
    })
    expect(answer.output_text).not.toBe('')
    expect(answer._request_id).toMatch(/^req_/)
  })

  test('streamed have the same words, and the caller’s name in every event', async () => {
    const { client } = aClient()
    const whole = await client.responses.create(hello)
    let words = ''
    let last: OpenAI.Responses.ResponseStreamEvent | undefined
    for await (const event of await client.responses.create({ ...hello, stream: true })) {
      words += event.type === 'response.output_text.delta' ? event.delta : ''
      expect('response' in event ? event.response : undefined).toEqual(
        'response' in event ? expect.objectContaining({ model: 'tickets' }) : undefined,
      )
      last = event
    }
    expect(words).toBe(whole.output_text)
    expect(last).toMatchObject({
      type: 'response.completed',
      response: { model: 'tickets', system_fingerprint, usage: { output_tokens: 5 } },
    })
  })

  test('are put together again by the stream helper', async () => {
    const { client } = aClient()
    const whole = await client.responses.create(hello)
    const final = await client.responses.stream(hello).finalResponse()
    expect(final.output_text).toBe(whole.output_text)
  })

  test('call a tool, and take what it gave back', async () => {
    const { client } = aClient()
    const tools = [
      { type: 'function' as const, name: 'weather', parameters: schema, strict: false },
    ]
    const answer = await client.responses.create({
      ...hello,
      max_output_tokens: 64,
      tools,
      tool_choice: { type: 'function', name: 'weather' },
    })
    const [call] = answer.output
    expect(call).toMatchObject({ type: 'function_call', name: 'weather', arguments: '{}' })
    const after = await client.responses.create({
      ...hello,
      input: [
        { role: 'user', content: 'hello there' },
        ...(call?.type === 'function_call' ? [call] : []),
        {
          type: 'function_call_output',
          call_id: call?.type === 'function_call' ? call.call_id : '',
          output: 'sunny',
        },
      ],
      tools,
    })
    expect(after.output_text).not.toBe('')
  })

  test('drop by name what would be kept', async () => {
    const { response } = await aClient()
      .client.responses.create({ ...hello, store: true, metadata: { a: 'b' }, user: 'me' })
      .withResponse()
    expect(response.headers.get('x-loraplex-ignored-fields')).toBe('store, metadata, user')
  })

  const refused = {
    previous_response_id: { previous_response_id: 'resp_1' },
    conversation: { conversation: 'conv_1' },
    background: { background: true },
    prompt: { prompt: { id: 'pmpt_1' } },
    'tools[0]': { tools: [{ type: 'web_search' as const }] },
    'input[0].content[0]': {
      input: [
        {
          role: 'user' as const,
          content: [{ type: 'input_file' as const, file_id: 'file-1' }],
        },
      ],
    },
  }
  test.each(Object.entries(refused))('refuse %s by name, once', async (param, more) => {
    const { client, requests } = aClient(bed, 3)
    const error = await errorOf(client.responses.create({ ...hello, ...more }))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(error).toMatchObject({ code: 'invalid_request', param })
    expect(requests).toHaveLength(1)
  })

  test('that fail in the middle throw their error after the words before', async () => {
    bed.engine.faults.add({ kind: 'ErrorInStream', afterTokens: 3, times: 1 })
    const stream = await aClient().client.responses.create({ ...hello, stream: true })
    let events = 0
    const error = await errorOf(
      (async () => {
        for await (const _event of stream) {
          events += 1
        }
      })(),
    )
    expect(error).toMatchObject({ code: 'engine_failed', type: 'error' })
    expect(events).toBeGreaterThan(3)
  })

  test('cannot be asked for later: nothing is kept', async () => {
    const error = await errorOf(aClient().client.responses.retrieve('resp_1'))
    expect(error).toBeInstanceOf(OpenAI.NotFoundError)
    expect(error).toMatchObject({ code: 'route_not_found' })
  })
})

describe('chat', () => {
  const talk = {
    model: 'tickets',
    messages: [{ role: 'user' as const, content: 'hello there' }],
    max_tokens: 64,
  }
  const tools = [{ type: 'function' as const, function: { name: 'weather', parameters: schema } }]

  test.each([false, true])('calls a tool (streamed: %s)', async (streamed) => {
    const { client } = aClient()
    const body = { ...talk, tools, tool_choice: 'required' as const }
    const answer = streamed
      ? await client.chat.completions.stream(body).finalChatCompletion()
      : await client.chat.completions.create(body)
    const [choice] = answer.choices
    expect(choice).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ function: { name: 'weather', arguments: '{}' } }] },
    })
    expect(answer.model).toBe('tickets')
  })

  test('without a parser of tool calls says so in words for a tenant', async () => {
    const plain = await GatewayBed.start()
    try {
      const { client } = aClient(plain, 3)
      const error = await errorOf(client.chat.completions.create({ ...talk, tools }))
      expect(error).toMatchObject({ status: 400, param: 'tool_choice' })
      expect(error.message).not.toContain('--')
    } finally {
      await plain.close()
    }
  })
})

describe('embeddings', () => {
  test('are the caller’s, in the client’s own encoding', async () => {
    const { client } = aClient(embedding)
    const answer = await client.embeddings.create({ model: 'tickets', input: ['hello', 'you'] })
    expect(answer).toMatchObject({
      object: 'list',
      model: 'tickets',
      system_fingerprint,
      usage: { prompt_tokens: 8 },
    })
    expect(answer.data.map(({ embedding: { length } }) => length)).toEqual([256, 256])
    const plain = await client.embeddings.create({
      model: 'tickets',
      input: 'hello',
      encoding_format: 'float',
    })
    const [first] = answer.data
    plain.data[0]?.embedding.forEach((value, at) =>
      expect(value).toBeCloseTo(first?.embedding[at] ?? 0, 4),
    )
  })

  test('are not what a model that writes text has, and the other way round', async () => {
    const { client, requests } = aClient(bed, 3)
    const error = await errorOf(client.embeddings.create({ model: 'tickets', input: 'hello' }))
    expect(error).toMatchObject({ status: 400, code: 'unsupported_task', param: 'model' })
    expect(requests).toHaveLength(1)
    const other = await errorOf(aClient(embedding).client.responses.create(hello))
    expect(other).toMatchObject({ status: 400, code: 'unsupported_task', param: 'model' })
  })
})
