import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GatewayBed, keyOfTenant, revisionFor } from '../support/gateway-bed.ts'
import { call, dataOf, type HttpAnswer } from '../support/http-caller.ts'

let bed: GatewayBed
beforeAll(async () => {
  bed = await GatewayBed.start()
})
afterAll(() => bed.close())

const acme = { key: keyOfTenant('acme') }
const hello = { messages: [{ role: 'user', content: 'hello there' }], max_tokens: 6 }

interface Chat {
  readonly model: string
  readonly system_fingerprint: string
  readonly object: string
  readonly choices: readonly {
    readonly message?: { readonly content: string }
    readonly delta?: { readonly content?: string }
    readonly text?: string
    readonly finish_reason: string | null
  }[]
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number }
}

function chatOf(answer: HttpAnswer): Chat {
  return answer.json() as Chat
}

const fingerprint = `lpx_${revisionFor('acme/tickets').slice(0, 12)}_simulated`

describe('an answer', () => {
  test('to a chat bears the caller’s name, the revision’s fingerprint and usage', async () => {
    const answer = await call(`${bed.url}/v1/chat/completions`, {
      ...acme,
      body: { model: 'tickets', ...hello },
    })
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(answer.headers['x-request-id']).toMatch(/^req_[0-9a-z]+$/)
    const chat = chatOf(answer)
    expect(chat).toMatchObject({
      object: 'chat.completion',
      model: 'tickets',
      system_fingerprint: fingerprint,
      usage: { completion_tokens: 6 },
    })
    expect(chat.choices[0]?.message?.content).not.toBe('')
    expect(answer.text).not.toContain('lpx-')
    expect(answer.text.match(/"system_fingerprint"/g)).toHaveLength(1)
  })

  test('streamed has the same words, frame by frame, and no usage unasked', async () => {
    const body = { model: 'tickets', ...hello, temperature: 0 }
    const whole = await call(`${bed.url}/v1/chat/completions`, { ...acme, body })
    const streamed = await call(`${bed.url}/v1/chat/completions`, {
      ...acme,
      body: { ...body, stream: true },
    })
    expect(streamed.status).toBe(200)
    expect(streamed.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    })
    expect(streamed.headers['content-length']).toBeUndefined()
    const data = dataOf(streamed.text)
    expect(data.at(-1)).toBe('[DONE]')
    const frames = data.slice(0, -1).map((text) => JSON.parse(text) as Chat)
    const words = frames.map((frame) => frame.choices[0]?.delta?.content ?? '').join('')
    expect(words).toBe(chatOf(whole).choices[0]?.message?.content)
    for (const frame of frames) {
      expect(frame).toMatchObject({ model: 'tickets', system_fingerprint: fingerprint })
      expect(frame.usage).toBeUndefined()
    }
  })

  test('shows usage in a last frame when asked', async () => {
    const answer = await call(`${bed.url}/v1/chat/completions`, {
      ...acme,
      body: { model: 'tickets', ...hello, stream: true, stream_options: { include_usage: true } },
    })
    const frames = dataOf(answer.text)
      .slice(0, -1)
      .map((text) => JSON.parse(text) as Chat)
    expect(frames.filter((frame) => frame.usage !== undefined)).toEqual([frames.at(-1)])
    expect(frames.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 6 } })
  })

  test('to a completion comes whole and streamed', async () => {
    const body = { model: 'tickets', prompt: 'hello there', max_tokens: 4, temperature: 0 }
    const whole = await call(`${bed.url}/v1/completions`, { ...acme, body })
    expect(whole.json()).toMatchObject({
      object: 'text_completion',
      model: 'tickets',
      system_fingerprint: fingerprint,
    })
    const streamed = await call(`${bed.url}/v1/completions`, {
      ...acme,
      body: { ...body, stream: true },
    })
    const frames = dataOf(streamed.text)
      .slice(0, -1)
      .map((text) => JSON.parse(text) as Chat)
    expect(frames.map((frame) => frame.choices[0]?.text).join('')).toBe(
      chatOf(whole).choices[0]?.text,
    )
  })

  test('is the same adapter’s under its full name, and bears that name', async () => {
    const answer = await call(`${bed.url}/v1/chat/completions`, {
      ...acme,
      body: { model: 'acme/tickets', ...hello },
    })
    expect(answer.json()).toMatchObject({
      model: 'acme/tickets',
      system_fingerprint: fingerprint,
    })
  })

  test('comes from the base where the tenant has a name for it', async () => {
    const answer = await call(`${bed.url}/v1/chat/completions`, {
      ...acme,
      body: { model: 'llama-base', ...hello },
    })
    expect(answer.json()).toMatchObject({ model: 'llama-base' })
    expect(chatOf(answer).system_fingerprint).toMatch(/^lpx_[0-9a-f]{12}_simulated$/)
  })

  test('differs by adapter', async () => {
    const ask = async (tenant: string, model: string) =>
      chatOf(
        await call(`${bed.url}/v1/chat/completions`, {
          key: keyOfTenant(tenant),
          body: { model, ...hello, temperature: 0 },
        }),
      ).choices[0]?.message?.content
    const answers = await Promise.all([
      ask('acme', 'tickets'),
      ask('globex', 'shout'),
      ask('initech', 'initials'),
    ])
    expect(new Set(answers).size).toBe(3)
  })

  test('names the fields that were ignored', async () => {
    const answer = await call(`${bed.url}/v1/chat/completions`, {
      ...acme,
      body: { model: 'tickets', ...hello, user: 'u', store: true, unheard: 1 },
    })
    expect(answer.headers['x-loraplex-ignored-fields']).toBe('user, store, unheard')
  })

  test('is there for every header a key may come in', async () => {
    const body = { model: 'tickets', ...hello }
    for (const headers of [
      { authorization: `bearer ${acme.key}` },
      { 'x-api-key': acme.key },
      { 'api-key': acme.key },
    ]) {
      const answer = await call(`${bed.url}/v1/chat/completions`, { headers, body })
      expect(answer.status).toBe(200)
    }
  })
})

describe('the list of models', () => {
  test('holds what the key may call, says that it is simulated, and what state it is in', async () => {
    const answer = await call(`${bed.url}/v1/models`, acme)
    expect(answer.json()).toMatchObject({ object: 'list' })
    const { data } = answer.json() as { data: readonly { id: string }[] }
    expect(data.map((model) => model.id)).toEqual(['tickets', 'llama-base'])
    expect(data[0]).toMatchObject({
      object: 'model',
      owned_by: 'loraplex-simulator',
      created: 1000,
      loraplex: {
        state: 'Ready',
        reason: 'Ready',
        revision: revisionFor('acme/tickets').slice(0, 12),
        task: 'Generate',
        inputs: ['Text'],
      },
    })
  })

  test.each(['tickets', 'acme/tickets', 'acme%2Ftickets', 'acme%2ftickets'])(
    'has an entry for %s',
    async (name) => {
      const answer = await call(`${bed.url}/v1/models/${name}`, acme)
      expect(answer.status).toBe(200)
      expect(answer.json()).toMatchObject({ id: decodeURIComponent(name), object: 'model' })
    },
  )
})
