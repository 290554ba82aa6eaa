import { setTimeout as delay } from 'node:timers/promises'
import { Agent } from 'undici'
import { secretOf } from './builders.ts'
import { randomFrom } from './random-from.ts'

export interface TenantCalls {
  readonly tenant: string
  /** Models it calls by turns. */
  readonly models: readonly string[]
  /** Of each answer, drawn evenly. */
  readonly tokens: readonly [from: number, to: number]
  /** Words that prompts have at most, beside two of their own; absent: none. */
  readonly promptWords?: number
}

/** Tokens that reached a tenant at one moment: those of the prompt with the first of the answer. */
interface Service {
  readonly atMs: number
  readonly cost: number
}

/** What one tenant asked for and got. */
export class TenantRecord {
  readonly services: Service[] = []
  /** By the time at which it was sent: to the first byte of the answer. */
  readonly firstByteMs: number[] = []
  readonly refusals = new Map<number, number>()

  /** Tokens between two moments, an output token as two of input. */
  served(fromMs: number, toMs: number): number {
    return this.services.reduce(
      (sum, { atMs, cost }) => (atMs >= fromMs && atMs < toMs ? sum + cost : sum),
      0,
    )
  }

  /** The longest time without a token between two moments. */
  longestGapMs(fromMs: number, toMs: number): number {
    const times = [fromMs, ...this.services.map(({ atMs }) => atMs), toMs]
      .filter((atMs) => atMs >= fromMs && atMs <= toMs)
      .sort((left, right) => left - right)
    return times.reduce((gap, atMs, at) => Math.max(gap, atMs - (times[at - 1] ?? atMs)), 0)
  }
}

/** Streams of tenants over all gateways by turns, with a seed: the same arrivals and lengths in each run. */
export class TenantLoad implements AsyncDisposable {
  readonly #urls: readonly string[]
  readonly #agent = new Agent({ connections: null, pipelining: 1 })
  readonly #records = new Map<string, TenantRecord>()
  readonly #workers: Promise<void>[] = []
  readonly #ending = new AbortController()
  #calls = 0

  constructor(urls: readonly string[]) {
    this.#urls = urls
  }

  recordOf(tenant: string): TenantRecord {
    const record = this.#records.get(tenant) ?? new TenantRecord()
    this.#records.set(tenant, record)
    return record
  }

  /** So many callers, each with one request after the other. */
  closed(calls: TenantCalls, callers: number, seed: number): void {
    for (let caller = 0; caller < callers; caller += 1) {
      const random = randomFrom(seed + caller * 7919)
      this.#workers.push(this.#repeat(calls, random))
    }
  }

  /** Requests that come by themselves (Poisson), whatever becomes of those before. */
  open(calls: TenantCalls, perSecond: number, seed: number): void {
    this.#workers.push(this.#arrive(calls, perSecond, randomFrom(seed)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await this.#agent.destroy()
    await Promise.all(this.#workers)
  }

  async #repeat(calls: TenantCalls, random: () => number): Promise<void> {
    while (!this.#ending.signal.aborted) {
      if ((await this.#call(calls, random)) !== 200) {
        await this.#pause(100)
      }
    }
  }

  async #arrive(calls: TenantCalls, perSecond: number, random: () => number): Promise<void> {
    const under: Promise<unknown>[] = []
    let nextMs = performance.now()
    while (!this.#ending.signal.aborted) {
      nextMs += (-Math.log(1 - random()) * 1000) / perSecond
      await this.#pause(nextMs - performance.now())
      under.push(this.#call(calls, random))
    }
    await Promise.all(under)
  }

  async #pause(ms: number): Promise<void> {
    if (ms > 0) {
      await delay(ms, undefined, { signal: this.#ending.signal }).catch(() => undefined)
    }
  }

  /** One stream to its end; answers its status, 0 for one that was cut. */
  async #call(
    { tenant, models, tokens, promptWords = 0 }: TenantCalls,
    random: () => number,
  ): Promise<number> {
    const record = this.recordOf(tenant)
    this.#calls += 1
    const [from, to] = tokens
    const url = this.#urls[Math.floor(random() * this.#urls.length)] ?? ''
    const body = {
      model: models[Math.floor(random() * models.length)],
      messages: [
        { role: 'user', content: `count ${this.#calls}${' more'.repeat(random() * promptWords)}` },
      ],
      max_tokens: from + Math.floor(random() * (to - from + 1)),
      ignore_eos: true,
      stream: true,
      stream_options: { include_usage: true },
    }
    const sentAt = performance.now()
    try {
      const answer = await this.#agent.request({
        origin: url,
        path: '/v1/chat/completions',
        method: 'POST',
        headers: {
          authorization: `Bearer ${secretOf(tenant)}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(body),
      })
      if (answer.statusCode === 200) {
        await read(answer.body, record, sentAt)
      } else {
        record.refusals.set(answer.statusCode, (record.refusals.get(answer.statusCode) ?? 0) + 1)
        await answer.body.dump()
      }
      return answer.statusCode
    } catch {
      return 0
    }
  }
}

async function read(
  body: AsyncIterable<Buffer>,
  record: TenantRecord,
  sentAt: number,
): Promise<void> {
  let firstAt: number | undefined
  let text = ''
  for await (const chunk of body) {
    const atMs = performance.now()
    if (firstAt === undefined) {
      firstAt = atMs
      record.firstByteMs.push(atMs - sentAt)
    }
    const part = String(chunk)
    const tokens = part.split('"content":"').length - 1
    if (tokens > 0) {
      record.services.push({ atMs, cost: 2 * tokens })
    }
    text = (text + part).slice(-1000)
  }
  const prompt = /"prompt_tokens":(\d+)/.exec(text)?.[1]
  if (firstAt !== undefined && prompt !== undefined) {
    record.services.push({ atMs: firstAt, cost: Number(prompt) })
  }
}
