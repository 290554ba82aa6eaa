import { endOfObject } from '../../src/gateway/forms/end-of-object.ts'
import { parseUsage, type Usage } from '../../src/gateway/relay/usage.ts'

export interface MixedRequest {
  readonly at: number
  readonly path: string
  readonly stream: boolean
  /** Sequences that the engine writes for it. */
  readonly sequences: number
  /** Times that a prompt counts at the engine for once in the answer. */
  readonly choices: number
  /** Without the model. */
  readonly body: Readonly<Record<string, unknown>>
}

const paths = ['/v1/chat/completions', '/v1/completions', '/v1/responses', '/v1/messages'] as const
const words = ['garden', 'ticket', 'river', 'largest', 'please', 'Größe', 'now', '说', 'shout']
const tool = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }

/** A request of any kind, drawn by its number; its prompt and its user say which one it is. */
export function mixedRequest(at: number, random: () => number): MixedRequest {
  const below = (count: number): number => Math.floor(random() * count)
  const path = paths[below(paths.length)] ?? paths[0]
  const stream = random() < 0.6
  const cap = 8 + below(25)
  const choices = random() < 0.2 ? 2 + below(2) : 1
  const said = Array.from({ length: 1 + below(12) }, () => words[below(words.length)]).join(' ')
  const text = `#${at}# ${said}`
  const messages = [{ role: 'user', content: text }]
  const options = { include_usage: true }
  const streamed = stream ? { stream } : {}
  const streamedChunks = stream ? { stream, stream_options: options } : {}
  const base = { at, path, stream, sequences: 1, choices: 1 }
  switch (path) {
    case '/v1/chat/completions': {
      const tools =
        random() < 0.2
          ? { tools: [{ type: 'function', function: { name: 'weather', parameters: tool } }] }
          : {}
      const body = { messages, max_tokens: cap, n: choices, ...tools, user: String(at) }
      return { ...base, sequences: choices, choices, body: { ...body, ...streamedChunks } }
    }
    case '/v1/completions': {
      const prompts = random() < 0.2 ? [text, `${text} again`] : [text]
      const body = { prompt: prompts, max_tokens: cap, n: choices, user: String(at) }
      const sequences = choices * prompts.length
      return { ...base, sequences, choices, body: { ...body, ...streamedChunks } }
    }
    case '/v1/responses':
      return {
        ...base,
        body: { input: text, max_output_tokens: cap, user: String(at), ...streamed },
      }
    case '/v1/messages':
      return {
        ...base,
        body: { messages, max_tokens: cap, metadata: { user_id: String(at) }, ...streamed },
      }
    default:
      return path satisfies never
  }
}

/** What an answer of any API, streamed or not, says of its use. */
export function usageIn(text: string): Usage | undefined {
  const at = text.lastIndexOf('"usage":{')
  return at === -1 ? undefined : parseUsage(text.slice(at + 8, endOfObject(text, at + 8)), false)
}

/** Numbers from 0 up to 1, the same ones for the same seed: Mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
