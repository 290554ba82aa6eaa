import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { anAdapterStatus } from '../support/builders.ts'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant } from '../support/gateway-bed.ts'
import { PythonClient } from '../support/python-client.ts'
import { findPython } from '../support/python.ts'
import { withRefusals } from '../support/sdk-clients.ts'

const python = await findPython()

const { objects, statuses } = withRefusals

const hello = {
  model: 'tickets',
  messages: [{ role: 'user', content: 'hello there' }],
  max_tokens: 5,
  temperature: 0,
}

interface Chunk {
  readonly model: string
  readonly choices: readonly { readonly delta?: { readonly content?: string }; text?: string }[]
  readonly usage: { readonly completion_tokens: number } | null
}

describe.skipIf(python === undefined)('the openai package for Python', () => {
  let bed: GatewayBed
  let worker: PythonClient
  beforeAll(async () => {
    bed = await GatewayBed.start({ objects, statuses })
    worker = new PythonClient(python ?? '', 'openai_worker.py')
  })
  beforeEach(() => {
    bed.engine.faults.clear()
    bed.setObjects(objects, statuses)
  })
  afterAll(async () => {
    await worker.close()
    await bed.close()
  })

  const client = (options: object = {}) => ({
    client: { api_key: keyOfTenant('acme'), base_url: `${bed.url}/v1`, ...options },
  })

  async function bodyOf(what: string, fields: object): Promise<Record<string, unknown>> {
    const { answer, error } = await worker.order(what, fields)
    expect(error).toBeUndefined()
    expect(answer?.['request_id']).toMatch(/^req_/)
    return (answer?.['body'] ?? {}) as Record<string, unknown>
  }

  async function chunksOf(fields: object): Promise<readonly Chunk[]> {
    const { answer, error } = await worker.order('stream', fields)
    expect(error).toBeUndefined()
    expect(answer?.['request_id']).toMatch(/^req_/)
    return answer?.['chunks'] as readonly Chunk[]
  }

  test('chats', async () => {
    expect(await bodyOf('chat', { ...client(), body: hello })).toMatchObject({
      object: 'chat.completion',
      model: 'tickets',
      usage: { completion_tokens: 5 },
    })
  })

  test('asks for a response, whole and streamed', async () => {
    const body = { model: 'tickets', input: 'hello there', max_output_tokens: 5 }
    const whole = await worker.order('response', { ...client(), body })
    expect(whole.answer).toMatchObject({
      request_id: expect.stringMatching(/^req_/) as string,
      body: { model: 'tickets', status: 'incomplete', usage: { output_tokens: 5 } },
    })
    const streamed = await worker.order('response_stream', { ...client(), body })
    const events = streamed.answer?.['events'] as readonly { type: string; delta?: string }[]
    const words = events.map(({ type, delta }) =>
      type === 'response.output_text.delta' ? delta : '',
    )
    expect(words.join('')).toBe(whole.answer?.['text'])
    expect(events.at(-1)).toMatchObject({ response: { model: 'tickets' } })
  })

  test('is told that a model which writes text has no embeddings', async () => {
    const { error, attempts } = await worker.order('embeddings', {
      ...client({ max_retries: 3 }),
      body: { model: 'tickets', input: 'hello' },
    })
    expect(error).toMatchObject({ status: 400, code: 'unsupported_task', param: 'model' })
    expect(attempts).toHaveLength(1)
  })

  test('streams the same words, usage only when asked', async () => {
    const whole = (await bodyOf('chat', { ...client(), body: hello })) as {
      choices?: { message: { content: string } }[]
    }
    const chunks = await chunksOf({ ...client(), body: hello })
    const words = chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join('')
    expect(words).toBe(whole.choices?.[0]?.message.content)
    expect(chunks.every((chunk) => chunk.usage === null && chunk.model === 'tickets')).toBe(true)
    const asked = await chunksOf({
      ...client(),
      body: { ...hello, stream_options: { include_usage: true } },
    })
    expect(asked.filter((chunk) => chunk.usage !== null)).toHaveLength(1)
    expect(asked.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 5 } })
  })

  test('completes, whole and streamed', async () => {
    const body = { model: 'tickets', prompt: 'hello there', max_tokens: 4, temperature: 0 }
    const whole = (await bodyOf('completion', { ...client(), body })) as {
      choices?: { text: string }[]
    }
    const chunks = await chunksOf({ ...client(), body, legacy: true })
    expect(chunks.map((chunk) => chunk.choices[0]?.text ?? '').join('')).toBe(
      whole.choices?.[0]?.text,
    )
  })

  test('shows the request id of a raw response', async () => {
    await bodyOf('raw', { ...client(), body: hello })
  })

  test('lists and retrieves models, ids with slashes too', async () => {
    const { answer } = await worker.order('models', client())
    expect((answer as unknown as { id: string }[]).map((model) => model.id)).toEqual([
      'broken',
      'paused',
      'tickets',
      'llama-base',
    ])
    const one = await worker.order('model', { ...client(), id: 'acme/tickets' })
    expect(one.answer).toMatchObject({ id: 'acme/tickets', owned_by: 'loraplex-simulator' })
  })

  test('retries a 502 and reaches an engine that is well again', async () => {
    bed.engine.faults.add({ kind: 'ErrorInStream', afterTokens: 0, times: 1 })
    const { error, attempts } = await worker.order('stream', {
      ...client({ max_retries: 2 }),
      body: hello,
    })
    expect(error).toBeUndefined()
    expect(attempts).toHaveLength(2)
  })

  test('says how long it will wait, and is answered before it gives up', async () => {
    bed.setObjects(objects, {
      ...statuses,
      'acme/tickets': anAdapterStatus({ ready: ['False', 'Loading'] }),
    })
    const { error } = await worker.order('chat', { ...client({ timeout: 1 }), body: hello })
    expect(error).toMatchObject({ status: 503, code: 'adapter_loading' })
  })

  test('times out, and the engine is free', async () => {
    bed.engine.faults.add({ kind: 'Hang', afterTokens: 0 })
    const { error } = await worker.order('chat', { ...client({ timeout: 0.3 }), body: hello })
    expect(error?.classes).toContain('APITimeoutError')
    await eventually(() => bed.gateway.inFlight).toBe(0)
  })

  test('leaves a stream by leaving the loop', async () => {
    const chunks = await chunksOf({
      ...client(),
      body: { ...hello, max_tokens: 900 },
      leave_after: 2,
    })
    expect(chunks).toHaveLength(2)
    await eventually(() => bed.engine.engine.gauges.running).toBe(0)
  })
})
