// Calls whose every word is a canary: a string that nobody else says. Where one turns up tells what leaked.
import { randomBytes } from 'node:crypto'
import { inferenceEndpoints } from '../../src/gateway/endpoints/inference-endpoints.ts'
import type { InferencePath } from '../../src/gateway/endpoints/inference-endpoint.ts'
import { call, sendRaw, type CallOptions, type HttpAnswer } from './http-caller.ts'

/** Makes strings that are found again in any text; remembers what each was for. */
export class Canaries {
  readonly #places = new Map<string, string>()
  readonly #stem = `cnry${randomBytes(6).toString('hex')}`

  /** A string for a place, the same each time; lower case, so that a name may hold it. */
  at(place: string): string {
    const canary = `${this.#stem}${this.#places.size}z`
    const known = [...this.#places].find(([, where]) => where === place)
    this.#places.set(known?.[0] ?? canary, place)
    return known?.[0] ?? canary
  }

  /** The places whose canaries are in the text, whatever the case. */
  foundIn(text: string): readonly string[] {
    const lower = text.toLowerCase()
    return [...this.#places].flatMap(([canary, place]) => (lower.includes(canary) ? [place] : []))
  }
}

/** A body for each path with a canary wherever a caller may write words; `model` is left to the call. */
function bodiesOf(canaries: Canaries): Readonly<Record<InferencePath, object>> {
  const at = (place: string): string => canaries.at(place)
  const parameters = { type: 'object', properties: { [at('tool parameter')]: { type: 'string' } } }
  const tool = { name: at('tool'), description: at('tool description') }
  const chat = {
    messages: [
      { role: 'system', content: at('system prompt') },
      { role: 'user', content: at('prompt'), name: at('message name') },
    ],
    user: at('user'),
    safety_identifier: at('safety identifier'),
    stop: [at('stop')],
    metadata: { [at('metadata key')]: at('metadata') },
    [at('unknown field')]: at('unknown value'),
    max_tokens: 4,
  }
  const messages = {
    system: at('system prompt'),
    messages: [{ role: 'user', content: at('prompt') }],
    metadata: { user_id: at('user') },
    tools: [{ ...tool, input_schema: parameters }],
    tool_choice: { type: 'tool', name: at('tool') },
  }
  return {
    '/v1/chat/completions': {
      ...chat,
      tools: [{ type: 'function', function: { ...tool, parameters } }],
      tool_choice: { type: 'function', function: { name: at('tool') } },
    },
    '/v1/completions': { prompt: at('prompt'), suffix: null, echo: true, user: at('user') },
    '/v1/responses': {
      input: at('prompt'),
      instructions: at('system prompt'),
      tools: [{ type: 'function', ...tool, parameters }],
      tool_choice: { type: 'function', name: at('tool') },
      metadata: { [at('metadata key')]: at('metadata') },
      user: at('user'),
      max_output_tokens: 4,
    },
    '/v1/messages': { ...messages, stop_sequences: [at('stop')], max_tokens: 4 },
    '/v1/messages/count_tokens': messages,
    '/v1/embeddings': { input: [at('prompt')], user: at('user') },
    '/v1/rerank': { query: at('prompt'), documents: [at('document')] },
    '/v1/score': { queries: at('prompt'), documents: [at('document')] },
    '/tokenize': { prompt: at('prompt') },
  }
}

export interface CanaryCaller {
  readonly url: string
  readonly key: string
  /** What it may call. */
  readonly model: string
}

/** Good calls and all kinds of bad ones on every path, and what came back. */
export async function sayCanaries(
  { url, key, model }: CanaryCaller,
  canaries: Canaries,
): Promise<readonly HttpAnswer[]> {
  const bodies = bodiesOf(canaries)
  const headers = {
    'user-agent': canaries.at('user agent'),
    'x-request-id': canaries.at('request id'),
    'openai-organization': canaries.at('organization'),
    'x-stainless-timeout': canaries.at('timeout'),
    traceparent: canaries.at('trace'),
    cookie: `a=${canaries.at('cookie')}`,
  }
  const ask = (path: string, options: CallOptions) =>
    call(`${url}${path}?q=${canaries.at('query')}`, { key, headers, ...options })
  const calls = inferenceEndpoints.flatMap(({ path }) => {
    const body = { ...bodies[path], model }
    return [
      ask(path, { body }),
      ask(path, { body: { ...body, stream: true } }),
      ask(path, { body: { ...body, model: canaries.at('a wrong model') } }),
      ask(path, { body: { ...body, cache_salt: canaries.at('salt') } }),
      ask(path, { body: { ...body, max_tokens: canaries.at('a wrong number') } }),
      ask(path, { body: { ...body, messages: { role: canaries.at('a wrong shape') } } }),
      ask(path, { body: `{"model":"${canaries.at('broken JSON')}` }),
      ask(path, { body, key: `sk-${canaries.at('a wrong key')}` }),
      ask(path, { body, headers: { ...headers, 'content-type': canaries.at('media type') } }),
      ask(path, { method: 'DELETE' }),
    ]
  })
  const raw = [
    `GET /v1/models HTTP/1.1\r\nhost: x\r\n${canaries.at('broken header')}\r\n\r\n`,
    `${canaries.at('broken method')} / HTTP/1.1\r\n\r\n`,
    `GET /%${canaries.at('broken path')} HTTP/1.1\r\nhost: x\r\n\r\n`,
  ]
  const { port } = new URL(url)
  await Promise.all(raw.map((bytes) => sendRaw(Number(port), bytes, { waitMs: 300 })))
  return Promise.all([
    ...calls,
    ask(`/v1/models/${canaries.at('a wrong entry')}`, {}),
    ask(`/${canaries.at('a wrong path')}`, {}),
    ask('/v1/organization/costs', {}),
  ])
}
