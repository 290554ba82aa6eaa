import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import { aKey, anAdapter, aPool, aTenant } from '../support/builders.ts'
import type { GatewayBed } from '../support/gateway-bed.ts'
import { call, type HttpAnswer } from '../support/http-caller.ts'
import { acme, chat, errorOf, metered, prompt } from '../support/metered-bed.ts'

/** What engines are asked while a test runs. */
function asked(): readonly string[] {
  const paths: string[] = []
  const note = (message: unknown): void => {
    const { request } = message as { readonly request: { readonly path: string } }
    if (/^\/tokenize$|count_tokens$/.test(request.path)) {
      paths.push(request.path)
    }
  }
  subscribe('undici:request:create', note)
  onTestFinished(() => {
    unsubscribe('undici:request:create', note)
  })
  return paths
}

function limit(bed: GatewayBed, tenant: Readonly<Record<string, unknown>>): void {
  bed.setObjects([
    aPool('llama'),
    aTenant('acme').with(tenant),
    aKey('acme').in('acme'),
    anAdapter('tickets').in('acme'),
  ])
}

interface Answered {
  readonly usage: { readonly prompt_tokens?: number; readonly input_tokens?: number }
}

/** Of an answer, as the engine counted. */
function inputOf(answer: HttpAnswer): number {
  const { usage } = answer.json() as Answered
  return usage.prompt_tokens ?? usage.input_tokens ?? 0
}

const system = 'Answer in “one” word.\n'
const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }]
const routes: readonly (readonly [name: string, path: string, body: object, param: string])[] = [
  ['chat', '/v1/chat/completions', { messages: prompt, max_tokens: 4 }, 'messages'],
  [
    'chat with tools',
    '/v1/chat/completions',
    { messages: prompt, tools, max_tokens: 4 },
    'messages',
  ],
  ['completions', '/v1/completions', { prompt: 'once upon a time', max_tokens: 4 }, 'prompt'],
  ['one text in a list', '/v1/completions', { prompt: [' once ["x"]'], max_tokens: 4 }, 'prompt'],
  ['messages', '/v1/messages', { messages: prompt, system, max_tokens: 4 }, 'messages'],
  [
    'responses',
    '/v1/responses',
    { input: 'hello', instructions: system, max_output_tokens: 4 },
    'input',
  ],
]

describe('maxInputTokens', () => {
  test.each(routes)('%s: counted by the engine, to the token', async (_name, path, body, param) => {
    const { bed } = await metered({}, { simulator: { toolCalls: true } })
    const paths = asked()
    const send = () => call(`${bed.url}${path}`, { ...acme, body: { model: 'tickets', ...body } })
    const tokens = inputOf(await send())
    expect(tokens).toBeGreaterThan(3)
    expect(paths).toEqual([])
    limit(bed, { limits: { maxInputTokens: tokens } })
    expect((await send()).status).toBe(200)
    limit(bed, { limits: { maxInputTokens: tokens - 1 } })
    const refused = await send()
    expect(refused.status).toBe(400)
    const { message } = errorOf(refused)
    expect(message).toContain(
      `at most ${tokens - 1} tokens (maxInputTokens of the tenant), and this one has ${tokens}.`,
    )
    if (path !== '/v1/messages') {
      expect(errorOf(refused)).toMatchObject({ code: 'context_length_exceeded', param })
    }
    expect(paths).toHaveLength(2)
  })

  test('asks nobody where the bytes are within it, nor about tokens, nor where nothing is allowed', async () => {
    const { bed } = await metered({ limits: { maxInputTokens: 400 } })
    const paths = asked()
    expect((await chat(bed)).status).toBe(200)
    const send = (tokens: number) =>
      call(`${bed.url}/v1/completions`, {
        ...acme,
        body: {
          model: 'tickets',
          max_tokens: 2,
          prompt: Array.from({ length: tokens }, () => 100),
        },
      })
    expect((await send(400)).status).toBe(200)
    expect(errorOf(await send(401)).message).toContain('this one has 401')
    limit(bed, { limits: { maxInputTokens: 0 } })
    expect(errorOf(await chat(bed)).code).toBe('context_length_exceeded')
    expect(paths).toEqual([])
  })

  test('the smallest of tenant, key, model and user counts', async () => {
    const targetRef = { kind: 'LoraAdapter', namespace: 'acme', name: 'tickets' }
    const { bed } = await metered(
      {
        limits: { maxInputTokens: 9 },
        perUser: { maxInputTokens: 3 },
        models: [{ name: 'other', targetRef, limits: { maxInputTokens: 2 } }],
      },
      { key: { limits: { maxInputTokens: 4 } } },
    )
    expect(errorOf(await chat(bed)).message).toContain('2 tokens (maxInputTokens of the model)')
  })

  test('is kept by the bound where no engine can be asked, or none could know', async () => {
    const { bed } = await metered({ limits: { maxInputTokens: 100 } })
    const two = await call(`${bed.url}/v1/completions`, {
      ...acme,
      body: { model: 'tickets', max_tokens: 2, prompt: ['a'.repeat(60), 'b'.repeat(60)] },
    })
    expect(errorOf(two).message).toMatch(/this one may have up to 1\d\d, by its bytes/)
    bed.agent.down()
    const refused = await chat(bed)
    expect(refused.status).toBe(400)
    expect(errorOf(refused).message).toMatch(/may have up to \d+, by its bytes; no engine counted/)
  })
})

describe('near a cap', () => {
  test('a prompt that the bound has no room for is counted, and fits', async () => {
    const { bed, records } = await metered({ limits: { tokensPerDay: 120 } })
    const paths = asked()
    expect((await chat(bed, { max_tokens: 8, ignore_eos: true })).status).toBe(200)
    expect(paths).toEqual(['/tokenize'])
    expect(records[0]).toMatchObject({ outputTokens: 8, exactness: 'Exact' })
  })

  test('nobody is asked where not even the answer has room', async () => {
    const { bed } = await metered({ limits: { tokensPerDay: 120 } })
    const paths = asked()
    expect((await chat(bed, { max_tokens: 120 })).status).toBe(429)
    expect(paths).toEqual([])
  })

  test('with tools the engine counts, far from one nobody', async () => {
    const { bed } = await metered(
      { limits: { tokensPerDay: 100_000 } },
      { simulator: { toolCalls: true } },
    )
    const paths = asked()
    const far = await chat(bed, { tools })
    expect(far.status).toBe(200)
    expect(paths).toEqual([])
    const bound = 100_000 - Number(far.headers['x-ratelimit-remaining-tokens'])
    limit(bed, { limits: { tokensPerMinute: bound + 1 } })
    expect((await chat(bed, { tools })).status).toBe(200)
    expect(paths).toEqual(['/tokenize'])
  })
})

describe('the context window', () => {
  test('is what the pool says and the smallest engine takes', async () => {
    const { bed } = await metered({}, { replicas: 2 })
    const [one, other] = bed.replicas
    const windowOf = async () => {
      const { data } = (await call(`${bed.url}/v1/models`, acme)).json() as {
        readonly data: readonly { readonly loraplex: { readonly contextWindow: number | null } }[]
      }
      return data[0]?.loraplex.contextWindow
    }
    const before = await windowOf()
    one!.agent.maxModelLen = 512
    one!.agent.up('again')
    other!.agent.maxModelLen = 128
    other!.agent.up('again')
    expect(await windowOf()).toBe(Math.min(128, before ?? 128))
  })

  test('of the engines bounds the answer of who asks for none', async () => {
    const { bed } = await metered(
      { limits: { tokensPerDay: 100_000 } },
      { simulator: { maxModelLen: 64 } },
    )
    bed.agent.maxModelLen = 64
    bed.agent.up('again')
    const [tickets = ''] = [...bed.gateway.table.revisions]
    bed.agent.routable(tickets)
    const answer = await chat(bed, { max_tokens: undefined, ignore_eos: true, n: 1 })
    expect(answer.status).toBe(200)
    expect(Number(answer.headers['x-ratelimit-remaining-tokens'])).toBe(100_000 - 64)
  })
})
