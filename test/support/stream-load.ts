import { setTimeout as delay } from 'node:timers/promises'
import { Agent } from 'undici'

export interface StreamCall {
  /** `http://10.0.0.1:8080`. */
  readonly url: string
  readonly key: string
  readonly model: string
  readonly tokens: number
  readonly onStart?: () => void
}

export interface StreamEnd {
  readonly startedAtMs: number
  readonly endedAtMs: number
  /** What was wrong with it; undefined: it had all its tokens, its reason to finish and `[DONE]`. */
  readonly problem: string | undefined
}

/** Many streams at once, read as bytes: an SDK would be what is measured. */
export class StreamLoad implements AsyncDisposable {
  /** Connections are kept and used again, as SDKs do. */
  readonly #agent = new Agent({ connections: null, pipelining: 1 })
  readonly #ends: StreamEnd[] = []
  readonly #workers: Promise<void>[] = []
  #isStopping = false
  #open = 0

  get ends(): readonly StreamEnd[] {
    return this.#ends
  }

  /** Streams that have begun to answer and have not ended. */
  get open(): number {
    return this.#open
  }

  get problems(): readonly string[] {
    return this.#ends.flatMap(({ problem }) => (problem === undefined ? [] : [problem]))
  }

  /** One stream after the other, until stopped. */
  keepUp(call: () => StreamCall): void {
    const work = async (): Promise<void> => {
      while (!this.#isStopping) {
        const { problem } = await this.read(call())
        if (problem !== undefined) {
          // A caller that is refused does not come back at once.
          await delay(200)
        }
      }
    }
    this.#workers.push(work())
  }

  /** Reads one stream to its end, whatever that is. */
  async read(call: StreamCall): Promise<StreamEnd> {
    const startedAtMs = performance.now()
    let hasBegun = false
    const begin = (): void => {
      if (!hasBegun) {
        hasBegun = true
        this.#open += 1
        call.onStart?.()
      }
    }
    const problem = await this.#problemOf(call, begin).catch((error: unknown) => String(error))
    this.#open -= hasBegun ? 1 : 0
    const end = { startedAtMs, endedAtMs: performance.now(), problem }
    this.#ends.push(end)
    return end
  }

  /** Lets what runs end. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.#workers)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true
    await this.#agent.destroy()
    await Promise.all(this.#workers)
  }

  async #problemOf(call: StreamCall, begin: () => void): Promise<string | undefined> {
    const { url, key, model, tokens } = call
    const { statusCode, body } = await this.#agent.request({
      origin: url,
      path: '/v1/chat/completions',
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        messages: [{ role: 'user', content: `count ${Math.random()}` }],
        max_tokens: tokens,
        temperature: 0,
        ignore_eos: true,
        stream: true,
      }),
    })
    if (statusCode !== 200) {
      return `${statusCode}: ${await body.text()}`
    }
    let tail = ''
    let frames = 0
    for await (const chunk of body) {
      begin()
      const text = String(chunk)
      frames += text.split('data: ').length - 1
      tail = (tail + text).slice(-2000)
    }
    const isWhole = tail.includes('"finish_reason":"length"') && tail.includes('data: [DONE]')
    return isWhole ? undefined : `cut after ${frames} frames: ${tail.slice(-300)}`
  }
}
