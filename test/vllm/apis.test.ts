import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call } from '../support/http-caller.ts'
import { adapterYaml, fixtures, poolYaml, tenantYaml, TestService } from '../support/service.ts'

let service: TestService
beforeAll(async () => {
  service = await TestService.start({
    engine: 'vllm',
    maxQueueMs: 120_000,
    files: {
      'pool.yaml': poolYaml({
        args: ['--enable-auto-tool-choice', '--tool-call-parser', 'hermes'],
      }),
      'acme.yaml':
        tenantYaml('acme') +
        adapterYaml('acme', 'shout', join(fixtures, 'adapters', 'globex-shout')),
    },
  })
  await service.untilReady('acme/shout')
}, 900_000)
afterAll(() => service.close())

const ask = (path: string, body: object) =>
  call(`${service.url}${path}`, {
    headers: { 'x-api-key': service.key('acme') },
    body: { model: 'shout', ...body },
  })

const talk = { messages: [{ role: 'user', content: 'hello there' }], max_tokens: 32 }
const weather = { type: 'object', properties: { city: { type: 'boolean' } }, required: ['city'] }
const words = 'HELLO THERE'

/** What one of the adapter's own tokens came through as, whatever the API. */
const rows: Record<string, readonly [path: string, body: object]> = {
  chat: ['/v1/chat/completions', { ...talk, temperature: 0 }],
  messages: ['/v1/messages', { ...talk, temperature: 0 }],
  responses: [
    '/v1/responses',
    { input: 'hello there', max_output_tokens: 32, temperature: 0, store: true },
  ],
}

interface Counted {
  readonly usage?: Readonly<Record<string, unknown>>
}

describe('a real vLLM behind the gateway', () => {
  test.each(Object.entries(rows))(
    '%s: the adapter’s words, by the caller’s name',
    async (_, row) => {
      const [path, body] = row
      const whole = await ask(path, body)
      expect(whole.status).toBe(200)
      expect(whole.text).toContain(words)
      expect(whole.json()).toMatchObject({ model: 'shout' })
      expect((whole.json() as Counted).usage).toBeDefined()
      expect(whole.text).not.toContain('lpx-')
    },
  )

  test.each(Object.entries(rows))(
    '%s, streamed: from its first frame to its last',
    async (_, row) => {
      const [path, body] = row
      const { status, text } = await ask(path, { ...body, stream: true })
      expect(status).toBe(200)
      expect(text).toContain('"model":"shout"')
      expect(text).not.toMatch(/lpx-|error/)
      const said = [...text.matchAll(/"(?:content|delta|text)":"([^"]+)"/g)].map(([, part]) => part)
      expect(said.join('')).toContain(words)
      const last = text.trimEnd().split('\n\n').at(-1)
      expect(last).toMatch(/^data: \[DONE\]$|^event: message_stop|^event: response\.completed/)
    },
  )

  test('a named tool is called', async () => {
    const answer = await ask('/v1/chat/completions', {
      ...talk,
      max_tokens: 128,
      // A model this small calls anything it likes otherwise.
      temperature: 0,
      tools: [{ type: 'function', function: { name: 'weather', parameters: weather } }],
      tool_choice: { type: 'function', function: { name: 'weather' } },
    })
    expect(answer.json()).toMatchObject({
      model: 'shout',
      choices: [{ message: { tool_calls: [{ function: { name: 'weather' } }] } }],
    })
  })

  test('a schema holds', async () => {
    const answer = await ask('/v1/chat/completions', {
      ...talk,
      structured_outputs: { choice: ['yes', 'no'] },
    })
    expect(answer.text).toMatch(/"content":"(?:yes|no)"/)
  })

  test('tokens are counted alike', async () => {
    const counted = await ask('/v1/messages/count_tokens', { messages: talk.messages })
    expect(counted.json()).toMatchObject({ input_tokens: 13 })
    const cut = await ask('/tokenize', { messages: talk.messages })
    expect(cut.json()).toMatchObject({ count: 13 })
  })

  test('a prompt too long is the caller’s fault in each API’s shape', async () => {
    const content = 'a long prompt '.repeat(200)
    const [chat, message, response] = await Promise.all([
      ask('/v1/chat/completions', { messages: [{ role: 'user', content }] }),
      ask('/v1/messages', { messages: [{ role: 'user', content }], max_tokens: 4 }),
      ask('/v1/responses', { input: content }),
    ])
    const code = 'context_length_exceeded'
    expect(chat.json()).toMatchObject({ error: { code } })
    expect(message.json()).toMatchObject({
      type: 'error',
      error: { details: { error_code: code } },
    })
    expect(response.json()).toMatchObject({ error: { code } })
  })
})
