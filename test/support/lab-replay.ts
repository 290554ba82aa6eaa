import type { ModelAdapter, ModelListener, ModelOptions, Sequence } from '../../src/sim/model-types.ts'
import { VllmModel } from '../../src/sim/model.ts'
import type { StepWork } from '../../src/sim/step-cost.ts'
import type { Arrival } from './lab-arrivals.ts'

/** What the callers of a replay did and saw. */
export interface Front {
  /** Requests inside at most; those beyond are lost. */
  readonly mostOutstanding: number
  /** When something that happens at `nowMs` in the engine or at the socket gets through the API server. */
  passes(nowMs: number): number
}

export interface ReplayFigures {
  readonly completed: number
  readonly outputTokensPerS: number
  readonly ttftMeanMs: number
  readonly ttftP50Ms: number
  readonly tpotMeanMs: number
  readonly runningMean: number
  /** Mean work of the steps between a request's tokens, mean over requests: what TPOT is linear in. */
  readonly work: MeanWork
}

/** Per step. */
export interface MeanWork {
  steps: number
  requests: number
  adapters: number
  adapterRequests: number
  prefillTokens: number
  copies: number
  adapterPrefill: number
  skipped: number
}

interface Replayed {
  readonly arrival: Arrival
  readonly adapter: ModelAdapter
  readonly promptTokens: number
  readonly outputTokens: number
  readonly blocks: readonly number[]
  firstMs: number
  seenMs: number
  before: MeanWork
}

export const directFront: Front = { mostOutstanding: 25_000, passes: (nowMs) => nowMs }

/** Plays arrivals against the engine model, until `untilMs`; figures count from `fromMs`. */
export function replay(
  arrivals: Iterable<Arrival>,
  engine: ModelOptions,
  untilMs: number,
  front: Front = directFront,
  adapters = 4096,
): ReplayFigures {
  return new Replay(engine, untilMs, front, adapters).run(arrivals)
}

class Replay {
  readonly #engine: ModelOptions
  readonly #untilMs: number
  readonly #front: Front
  readonly #model: VllmModel<Replayed>
  readonly #adapters: readonly ModelAdapter[]
  readonly #ttfts: number[] = []
  readonly #work = noWork()
  readonly #sum = noWork()
  #outstanding = 0
  #tokens = 0
  #tpotMs = 0
  #timed = 0
  #runningMs = 0

  constructor(engine: ModelOptions, untilMs: number, front: Front, adapters: number) {
    this.#engine = engine
    this.#untilMs = untilMs
    this.#front = front
    this.#model = new VllmModel(engine, this.#listener())
    this.#adapters = Array.from({ length: adapters }, (_, index) => {
      const adapter = { id: index + 1, name: `a${index}`, path: '' }
      this.#model.preload(adapter)
      return adapter
    })
  }

  run(arrivals: Iterable<Arrival>): ReplayFigures {
    for (const arrival of arrivals) {
      const atMs = this.#front.passes(arrival.atMs)
      this.#runUntil(Math.min(atMs, this.#untilMs))
      if (atMs >= this.#untilMs) {
        break
      }
      if (this.#outstanding < this.#front.mostOutstanding) {
        this.#submit(arrival, atMs)
      }
    }
    this.#runUntil(this.#untilMs)
    const timed = Math.max(1, this.#timed)
    this.#ttfts.sort((left, right) => left - right)
    return {
      completed: this.#ttfts.length,
      outputTokensPerS: (this.#tokens / this.#untilMs) * 1000,
      ttftMeanMs: this.#ttfts.reduce((sum, value) => sum + value, 0) / this.#ttfts.length,
      ttftP50Ms: this.#ttfts[this.#ttfts.length >> 1] ?? 0,
      tpotMeanMs: this.#tpotMs / timed,
      runningMean: this.#runningMs / this.#untilMs,
      work: scaled(this.#sum, 1 / timed),
    }
  }

  #runUntil(untilMs: number): void {
    for (;;) {
      const next = this.#model.nextEventMs()
      if (next === undefined || next > untilMs) {
        return
      }
      this.#model.advance(next)
    }
  }

  #submit(arrival: Arrival, atMs: number): void {
    const adapter = this.#adapters[arrival.adapter]
    if (adapter === undefined) {
      throw new Error(`no adapter ${arrival.adapter}`)
    }
    this.#outstanding += 1
    const request = {
      arrival,
      adapter,
      promptTokens: arrival.inputTokens,
      outputTokens: arrival.outputTokens,
      blocks: [],
      firstMs: 0,
      seenMs: 0,
      before: this.#work,
    }
    this.#model.submit(request, atMs)
  }

  #listener(): ModelListener<Replayed> {
    const nothing = (): void => {}
    return {
      started: nothing,
      stepping: (work, _nowMs, durationMs) => this.#step(work, durationMs),
      token: (sequence, nowMs, last) => this.#token(sequence, nowMs, last),
      readAdapter: (adapter) => {
        throw new Error(`${adapter.name} is not in host memory`)
      },
      loaded: nothing,
      stepped: nothing,
      died: nothing,
    }
  }

  #step({ requests, adapters, prefillTokens, copies, skipped }: StepWork, durationMs: number): void {
    const work = this.#work
    work.steps += 1
    work.requests += requests
    work.adapters += adapters
    work.adapterRequests += adapters * requests
    work.prefillTokens += prefillTokens
    work.copies += copies
    work.skipped += skipped
    work.adapterPrefill += adapters * prefillTokens
    this.#runningMs += requests * durationMs
  }

  #token({ request, generated }: Sequence<Replayed>, nowMs: number, last: boolean): void {
    if (generated === 1) {
      request.firstMs = nowMs
      request.seenMs = this.#front.passes(nowMs)
      request.before = { ...this.#work }
    }
    if (last) {
      this.#outstanding -= 1
      this.#tokens += generated
      this.#ttfts.push(request.seenMs - request.arrival.atMs)
      if (generated > 1) {
        this.#time(request, nowMs, generated - 1)
      }
    }
  }

  #time(request: Replayed, nowMs: number, gaps: number): void {
    this.#timed += 1
    this.#tpotMs += (this.#front.passes(nowMs) - request.seenMs) / gaps
    for (const key of keys) {
      this.#sum[key] += (this.#work[key] - request.before[key]) / gaps
    }
  }
}

function noWork(): MeanWork {
  return {
    steps: 0,
    requests: 0,
    adapters: 0,
    adapterRequests: 0,
    prefillTokens: 0,
    copies: 0,
    adapterPrefill: 0,
    skipped: 0,
  }
}

const keys = ['steps', 'requests', 'adapters', 'adapterRequests', 'prefillTokens', 'copies', 'adapterPrefill', 'skipped'] as const

function scaled(work: MeanWork, factor: number): MeanWork {
  const out = noWork()
  for (const key of keys) {
    out[key] = work[key] * factor
  }
  return out
}
