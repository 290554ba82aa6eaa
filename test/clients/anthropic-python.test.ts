import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { GatewayBed, keyOfTenant } from '../support/gateway-bed.ts'
import { PythonClient } from '../support/python-client.ts'
import { findPython } from '../support/python.ts'

const python = await findPython()

const hello = {
  model: 'tickets',
  messages: [{ role: 'user', content: 'hello there' }],
  max_tokens: 5,
}
const tool = {
  tools: [{ name: 'weather', input_schema: { type: 'object' } }],
  tool_choice: { type: 'tool', name: 'weather' },
  max_tokens: 64,
}

describe.skipIf(python === undefined)('the anthropic package for Python', () => {
  let bed: GatewayBed
  let worker: PythonClient
  beforeAll(async () => {
    bed = await GatewayBed.start({ simulator: { toolCalls: true } })
    worker = new PythonClient(python ?? '', 'anthropic_worker.py')
  })
  beforeEach(() => bed.engine.faults.clear())
  afterAll(async () => {
    await worker.close()
    await bed.close()
  })

  const client = (options: object = {}) => ({
    client: { api_key: keyOfTenant('acme'), base_url: bed.url, ...options },
  })

  test('sends a message', async () => {
    const { answer } = await worker.order('message', { ...client(), body: hello })
    expect(answer).toMatchObject({
      request_id: expect.stringMatching(/^req_/) as string,
      body: { type: 'message', model: 'tickets', stop_reason: 'max_tokens' },
    })
  })

  test('streams the same words', async () => {
    const { answer: whole } = await worker.order('message', { ...client(), body: hello })
    const { answer } = await worker.order('stream', { ...client(), body: hello })
    expect(whole?.['body']).toMatchObject({ content: [{ text: answer?.['text'] }] })
    expect(answer?.['text']).not.toBe('')
    expect(answer?.['body']).toMatchObject({ model: 'tickets', usage: { output_tokens: 5 } })
  })

  test.each(['message', 'stream'])('calls a tool (%s)', async (what) => {
    const { answer } = await worker.order(what, { ...client(), body: { ...hello, ...tool } })
    expect(answer?.['body']).toMatchObject({
      stop_reason: 'tool_use',
      content: [{ type: 'tool_use', name: 'weather', input: {} }],
    })
  })

  test('counts tokens', async () => {
    const { model, messages } = hello
    const { answer } = await worker.order('count', { ...client(), body: { model, messages } })
    expect(answer).toMatchObject({ input_tokens: 13 })
  })

  test('retries what another attempt may answer', async () => {
    bed.engine.faults.add({ kind: 'ErrorInStream', afterTokens: 0, times: 1 })
    const { answer, attempts } = await worker.order('stream', {
      ...client({ max_retries: 2 }),
      body: hello,
    })
    expect(answer?.['body']).toMatchObject({ model: 'tickets' })
    expect(attempts).toHaveLength(2)
  })
})
