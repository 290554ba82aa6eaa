import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { expect, onTestFinished, test } from 'vitest'
import { aPool } from '../support/builders.ts'
import { GatewayBed, keyOfTenant, tenants } from '../support/gateway-bed.ts'
import { call } from '../support/http-caller.ts'
import { acme, chat, errorOf, metered } from '../support/metered-bed.ts'

/** One dot. */
const dot =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const url = `data:image/png;base64,${dot}`
const window = 512
const model = { uri: 'file:///models/base', inputs: ['Text', 'Image'], maxModelLen: window }
const simulator = { takesImages: true, maxModelLen: window }
const shown = [
  { type: 'text', text: 'what is this?' },
  { type: 'image_url', image_url: { url } },
]

test('a pool with images answers them on every API, and says that it does', async () => {
  const { bed } = await metered({}, { pool: { model }, simulator })
  const key = keyOfTenant('acme')
  const openai = new OpenAI({ baseURL: `${bed.url}/v1`, apiKey: key, maxRetries: 0 })
  const anthropic = new Anthropic({ baseURL: bed.url, apiKey: key, maxRetries: 0 })
  const text = await chat(bed, { messages: [{ role: 'user', content: 'what is this?' }] })
  const plain = (text.json() as { usage: { prompt_tokens: number } }).usage.prompt_tokens

  const chatted = await openai.chat.completions.create({
    model: 'tickets',
    max_tokens: 8,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'what is this?' },
          { type: 'image_url', image_url: { url } },
        ],
      },
    ],
  })
  expect(chatted.usage?.prompt_tokens).toBeGreaterThan(plain)
  const responded = await openai.responses.create({
    model: 'tickets',
    max_output_tokens: 8,
    input: [{ role: 'user', content: [{ type: 'input_image', image_url: url, detail: 'auto' }] }],
  })
  expect(responded.usage?.input_tokens).toBeGreaterThan(plain)
  const messaged = await anthropic.messages.create({
    model: 'tickets',
    max_tokens: 8,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: dot } },
        ],
      },
    ],
  })
  const { input_tokens: fresh, cache_read_input_tokens: cached } = messaged.usage
  expect(fresh + (cached ?? 0)).toBeGreaterThan(plain)

  const listed = await call(`${bed.url}/v1/models/tickets`, { ...acme })
  expect(listed.json()).toMatchObject({ loraplex: { inputs: ['Text', 'Image'] } })
})

test('a request with an image holds the whole window, and pays what the engine counted', async () => {
  const { bed, ledger, records } = await metered(
    { limits: { tokensPerDay: window } },
    { pool: { model }, simulator },
  )
  const first = await chat(bed, { messages: [{ role: 'user', content: shown }] })
  expect(first.status).toBe(200)
  const { total_tokens: used } = (first.json() as { usage: { total_tokens: number } }).usage
  expect(records).toMatchObject([{ exactness: 'Exact' }])
  expect((records[0]?.inputTokens ?? 0) + (records[0]?.outputTokens ?? 0)).toBe(used)
  expect(used).toBeLessThan(window)

  // What is left has room for a text, and for no window.
  const second = await chat(bed, { messages: [{ role: 'user', content: shown }] })
  expect(second.status).toBe(429)
  expect(errorOf(second).message).toContain(`may use up to ${window} tokens`)
  expect((await chat(bed, { max_tokens: 1 }, {})).status).toBe(200)
  await ledger.close()
})

test('a pool of text refuses an image by its place, and its engine never hears of it', async () => {
  const bed = await GatewayBed.start()
  onTestFinished(() => bed.close())
  const answer = await chat(bed, { messages: [{ role: 'user', content: shown }] })
  expect(answer.status).toBe(400)
  expect(errorOf(answer)).toMatchObject({
    param: 'messages[0].content[1]',
    message: "messages[0].content[1] must be of type 'text': this model takes text only.",
  })
  const listed = await call(`${bed.url}/v1/models/tickets`, { ...acme })
  expect(listed.json()).toMatchObject({ loraplex: { inputs: ['Text'] } })
})

test('nothing tells a name of somebody else from one of nobody, with an image in the body', async () => {
  const bed = await GatewayBed.start({
    objects: [aPool('llama').with({ model }), ...tenants.slice(1)],
    simulator,
  })
  onTestFinished(() => bed.close())
  const answers = await Promise.all(
    ['shout', 'nobody'].flatMap((name) =>
      [url, 'http://169.254.169.254/'].map(async (image) => {
        const content = [{ type: 'image_url', image_url: { url: image } }]
        const answer = await chat(bed, { model: name, messages: [{ role: 'user', content }] })
        return [answer.status, errorOf(answer).message.replace(name, 'NAME')]
      }),
    ),
  )
  expect(answers.slice(0, 2)).toEqual(answers.slice(2))
  expect(answers.map(([status]) => status)).toEqual([404, 400, 404, 400])
})
