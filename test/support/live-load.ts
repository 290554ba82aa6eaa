import { setTimeout as delay } from 'node:timers/promises'
import { Agent } from 'undici'
import { renderChat, Tokenizer } from '../../src/sim/tokenizer.ts'
import { secretOf } from './builders.ts'
import type { LiveAdapter } from './live-orders.ts'

export interface LiveCall {
  readonly adapter: LiveAdapter
  readonly content: string
  readonly outputTokens: number
}

export interface LiveEnd {
  readonly sentMs: number
  /** From then to the first token; NaN where none came. */
  readonly ttftMs: number
  /** Between its tokens, in the mean; NaN where it has fewer than two. */
  readonly tpotMs: number
  readonly verdict: 'Whole' | 'Cut' | 'WrongAdapter' | 'Refused'
  readonly detail: string
}

/** Prompts begin with their number, so that no two share a block of the engine's cache. */
export function contentOf(number: number, tokens: number): string {
  return `${number.toString(36).padStart(8, '-')} `.padEnd(tokens - markers, 'text ')
}

/** Of a chat with one message, beside what is said. */
const markers = promptTokens('')

/** As the simulator counts a chat with one message of the fixtures' model, whose tokens are bytes. */
export function promptTokens(content: string): number {
  return new Tokenizer(262).count(renderChat([{ role: 'user', content }]))
}

/** Streams over gateways, read as bytes; each answer's first word says which weights wrote it. */
export class LiveLoad implements AsyncDisposable {
  readonly #agent = new Agent({ connections: null, pipelining: 1 })
  readonly ends: LiveEnd[] = []
  /** Streams that have begun to answer and have not ended. */
  open = 0
  readonly #startedMs = performance.now()

  /** Milliseconds since this load was made. */
  get nowMs(): number {
    return performance.now() - this.#startedMs
  }

  async until(atMs: number): Promise<void> {
    if (atMs > this.nowMs) {
      await delay(atMs - this.nowMs)
    }
  }

  async call(url: string, call: LiveCall): Promise<LiveEnd> {
    const sentMs = this.nowMs
    const end = await this.#read(url, call, sentMs).catch((error: unknown) => ({
      sentMs,
      ...noTimes,
      verdict: 'Cut' as const,
      detail: String(error),
    }))
    this.ends.push(end)
    return end
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy()
  }

  async #read(url: string, call: LiveCall, sentMs: number): Promise<LiveEnd> {
    const { adapter, content, outputTokens } = call
    const { statusCode, body } = await this.#agent.request({
      origin: url,
      path: '/v1/chat/completions',
      method: 'POST',
      headers: {
        authorization: `Bearer ${secretOf(adapter.tenant)}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({
        model: adapter.name,
        messages: [{ role: 'user', content }],
        max_tokens: outputTokens,
        ignore_eos: true,
        stream: true,
      }),
    })
    if (statusCode !== 200) {
      const detail = `${statusCode}: ${await body.text()}`
      return { sentMs, ...noTimes, verdict: 'Refused', detail }
    }
    this.open += 1
    try {
      return await this.#judged(body, call, sentMs)
    } finally {
      this.open -= 1
    }
  }

  async #judged(body: AsyncIterable<Buffer>, call: LiveCall, sentMs: number): Promise<LiveEnd> {
    const { outputTokens } = call
    let ttftMs = Number.NaN
    let text = ''
    for await (const chunk of body) {
      text += String(chunk)
      if (Number.isNaN(ttftMs) && /"content":"[^"]/.test(text)) {
        ttftMs = this.nowMs - sentMs
      }
    }
    const tpotMs = (this.nowMs - sentMs - ttftMs) / (outputTokens - 1)
    return { sentMs, ttftMs, tpotMs, ...judge(text, call) }
  }
}

const noTimes = { ttftMs: Number.NaN, tpotMs: Number.NaN }

function judge(
  text: string,
  { adapter, outputTokens }: LiveCall,
): Pick<LiveEnd, 'verdict' | 'detail'> {
  const written = /"content":"([^"]+)"/.exec(text)?.[1] ?? ''
  const models = new Set([...text.matchAll(/"model":"([^"]*)"/g)].map(([, name]) => name))
  const isOwn =
    written === adapter.digest.slice(0, 12) && models.size === 1 && models.has(adapter.name)
  if (written !== '' && !isOwn) {
    const detail = `asked ${adapter.name}, ${adapter.digest.slice(0, 12)}: ${[...models].join(' ')} ${written}`
    return { verdict: 'WrongAdapter', detail }
  }
  const tokens = text.match(/"content":"[^"]/g)?.length ?? 0
  const isWhole = text.includes('"finish_reason":"length"') && text.endsWith('data: [DONE]\n\n')
  return isWhole && tokens === outputTokens
    ? { verdict: 'Whole', detail: '' }
    : { verdict: 'Cut', detail: `${tokens} of ${outputTokens} tokens: ${text.slice(-300)}` }
}
