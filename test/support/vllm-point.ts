import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { createRandom, exponential, lengthOf } from '../../src/sim/lab/random.ts'
import type { CpuVllm } from './cpu-vllm.ts'
import type { Arrival } from './lab-arrivals.ts'

/** One load on a real engine: so many callers that always want one more, or so many requests a second. */
export interface VllmPoint {
  readonly slots: number
  readonly adapters: number
  readonly callers?: number
  readonly perSecond?: number
  readonly inputTokens: number
  readonly outputTokens: number
}

export interface VllmFigures {
  readonly completed: number
  readonly outputTokensPerS: number
  readonly ttftMeanMs: number
  readonly tpotMeanMs: number
}

/** The same arrivals for the engine and for its replay. */
export function* arrivalsOfPoint(point: VllmPoint, seed: number): Generator<Arrival> {
  const random = createRandom(seed)
  const gapMs = point.perSecond === undefined ? 0 : 1000 / point.perSecond
  for (let atMs = 0; ;) {
    atMs += exponential(random) * gapMs
    yield {
      atMs,
      adapter: Math.floor(random.next() * point.adapters),
      inputTokens: Math.min(400, lengthOf(random, point.inputTokens, 0.5)),
      outputTokens: Math.min(400, 1 + lengthOf(random, point.outputTokens, 0.5)),
    }
  }
}

/** Calls the engine for so long; who is not done by then is cut off and does not count. */
export async function measurePoint(
  engine: CpuVllm,
  point: VllmPoint,
  seed: number,
  seconds: number,
): Promise<VllmFigures> {
  const caller = new PointCaller(engine, seconds)
  await (point.callers === undefined
    ? caller.open(arrivalsOfPoint(point, seed))
    : caller.closed(arrivalsOfPoint(point, seed), point.callers))
  return caller.figures()
}

/** Fewer say nothing about a mean. */
const fewestAnswers = 5

interface Answer {
  readonly tokens: number
  readonly ttftMs: number
  readonly tpotMs: number
}

class PointCaller {
  readonly #engine: CpuVllm
  readonly #seconds: number
  readonly #startedMs = performance.now()
  readonly #leaving: AbortSignal
  readonly #agent = new Agent({ connections: 256, headersTimeout: 0, bodyTimeout: 0 })
  readonly #answers: Answer[] = []

  constructor(engine: CpuVllm, seconds: number) {
    this.#engine = engine
    this.#seconds = seconds
    this.#leaving = AbortSignal.timeout(seconds * 1000)
  }

  async closed(arrivals: Iterator<Arrival>, callers: number): Promise<void> {
    const work = async (): Promise<void> => {
      for (let next = arrivals.next(); next.done !== true; next = arrivals.next()) {
        await this.#call(next.value)
        if (this.#leaving.aborted) {
          return
        }
      }
    }
    await Promise.all(Array.from({ length: callers }, work))
    await this.#agent.close()
  }

  async open(arrivals: Iterable<Arrival>): Promise<void> {
    const calls: Promise<void>[] = []
    for (const arrival of arrivals) {
      if (arrival.atMs >= this.#seconds * 1000) {
        break
      }
      await delay(Math.max(0, this.#startedMs + arrival.atMs - performance.now()))
      calls.push(this.#call(arrival))
    }
    await Promise.all(calls)
    await this.#agent.close()
  }

  figures(): VllmFigures {
    const timed = this.#answers.filter(({ tokens }) => tokens > 1)
    if (timed.length < fewestAnswers) {
      throw new Error(
        `only ${timed.length} answers in ${this.#seconds} s: the machine is too busy, or --seconds too few`,
      )
    }
    return {
      completed: this.#answers.length,
      outputTokensPerS: sumOf(this.#answers.map(({ tokens }) => tokens)) / this.#seconds,
      ttftMeanMs: sumOf(this.#answers.map(({ ttftMs }) => ttftMs)) / this.#answers.length,
      tpotMeanMs: sumOf(timed.map(({ tpotMs }) => tpotMs)) / timed.length,
    }
  }

  async #call({ adapter, inputTokens, outputTokens }: Arrival): Promise<void> {
    const sentMs = performance.now()
    try {
      const { statusCode, body } = await request(`${this.#engine.url}/v1/completions`, {
        method: 'POST',
        dispatcher: this.#agent,
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${this.#engine.apiKey}`,
        },
        body: JSON.stringify({
          model: `a${adapter}`,
          prompt: Array.from({ length: inputTokens }, () => 1 + Math.floor(Math.random() * 250)),
          max_tokens: outputTokens,
          ignore_eos: true,
          temperature: 0,
          stream: true,
        }),
        signal: this.#leaving,
      })
      let firstMs = 0
      for await (const _chunk of body) {
        firstMs ||= performance.now()
      }
      if (statusCode !== 200) {
        throw new Error(`vLLM answered ${statusCode}`)
      }
      const tpotMs = (performance.now() - firstMs) / Math.max(1, outputTokens - 1)
      this.#answers.push({ tokens: outputTokens, ttftMs: firstMs - sentMs, tpotMs })
    } catch (error) {
      if (!this.#leaving.aborted) {
        throw error
      }
    }
  }
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
