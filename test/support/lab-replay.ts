import type { ModelAdapter, ModelListener, ModelOptions } from '../../src/sim/model-types.ts'
import { VllmModel } from '../../src/sim/model.ts'
import type { Arrival } from './lab-arrivals.ts'
import { MeanWork } from './mean-work.ts'

/** How a replay's callers behave, and what stands between them and the engine. */
export interface Front {
  /** Requests inside at most. */
  readonly mostOutstanding: number
  /** What happens to those beyond: `Lost`, or each sent as soon as another ends, whatever its time of arrival. */
  readonly beyond: 'Lost' | 'SentLater'
  /** Milliseconds from a caller to the engine. */
  readonly overheadMs: number
  /** When something that happens at `nowMs` gets through the API server. */
  passes(nowMs: number): number
}

export interface ReplayFigures {
  readonly completed: number
  readonly outputTokensPerS: number
  readonly ttftMeanMs: number
  readonly ttftP50Ms: number
  /** Without the front: from the engine's door. */
  readonly engineTtftMeanMs: number
  readonly tpotMeanMs: number
  /** Mean over time. */
  readonly runningMean: number
  /** Between a request's tokens, mean over requests: what TPOT is linear in. */
  readonly work: MeanWork
}

interface Replayed {
  readonly sentMs: number
  readonly arrivedMs: number
  readonly adapter: ModelAdapter
  readonly promptTokens: number
  readonly outputTokens: number
  readonly blocks: readonly number[]
  seenMs: number
  before: MeanWork
}

/**
 * Plays arrivals, in order, against the engine model until `untilMs`. Every adapter is in host memory. Figures are of what
 * ends after `fromMs`.
 */
export function replay(
  arrivals: Iterable<Arrival>,
  engine: ModelOptions,
  untilMs: number,
  front: Front,
  fromMs = 0,
): ReplayFigures {
  return new Replay(arrivals, engine, untilMs, front, fromMs).run()
}

class Replay {
  readonly #arrivals: Iterator<Arrival>
  readonly #untilMs: number
  readonly #fromMs: number
  readonly #freePrefillTokens: number
  readonly #front: Front
  readonly #model: VllmModel<Replayed>
  readonly #adapters: ModelAdapter[] = []
  /** Sent, on their way to the engine. */
  readonly #underWay: { readonly atMs: number; readonly request: Replayed }[] = []
  readonly #ttfts: number[] = []
  readonly #work = new MeanWork()
  readonly #sum = new MeanWork()
  #outstanding = 0
  #tokens = 0
  #engineTtftMs = 0
  #tpotMs = 0
  #timed = 0
  #runningMs = 0

  constructor(
    arrivals: Iterable<Arrival>,
    engine: ModelOptions,
    untilMs: number,
    front: Front,
    fromMs: number,
  ) {
    this.#arrivals = arrivals[Symbol.iterator]()
    this.#untilMs = untilMs
    this.#fromMs = fromMs
    this.#freePrefillTokens = engine.profile.freePrefillTokens
    this.#front = front
    this.#model = new VllmModel({ ...engine, maxCpuLoras: 10_000 }, this.#listener())
  }

  run(): ReplayFigures {
    if (this.#front.beyond === 'Lost') {
      this.#open()
    } else {
      for (let at = 0; at < this.#front.mostOutstanding; at += 1) {
        this.#sendNext(0)
      }
    }
    this.#runUntil(this.#untilMs)
    return this.#figures()
  }

  #open(): void {
    for (let next = this.#arrivals.next(); next.done !== true; next = this.#arrivals.next()) {
      const { atMs } = next.value
      if (atMs >= this.#untilMs) {
        return
      }
      this.#runUntil(atMs)
      if (this.#outstanding < this.#front.mostOutstanding) {
        this.#send(next.value, atMs)
      }
    }
  }

  #sendNext(nowMs: number): void {
    const next = this.#arrivals.next()
    if (next.done !== true) {
      this.#send(next.value, nowMs)
    }
  }

  #send(arrival: Arrival, nowMs: number): void {
    this.#outstanding += 1
    const atMs = this.#front.passes(nowMs) + this.#front.overheadMs
    const request = {
      sentMs: nowMs,
      arrivedMs: atMs,
      adapter: this.#adapter(arrival.adapter),
      promptTokens: arrival.inputTokens,
      outputTokens: arrival.outputTokens,
      blocks: [],
      seenMs: 0,
      before: this.#work,
    }
    this.#underWay.push({ atMs, request })
  }

  #adapter(index: number): ModelAdapter {
    const known = this.#adapters[index]
    if (known !== undefined) {
      return known
    }
    const adapter = { id: index + 1, name: `a${index}`, path: '' }
    this.#adapters[index] = adapter
    this.#model.preload(adapter)
    return adapter
  }

  #runUntil(untilMs: number): void {
    for (;;) {
      const arrivalMs = this.#underWay[0]?.atMs ?? Infinity
      const engineMs = this.#model.nextEventMs() ?? Infinity
      if (Math.min(arrivalMs, engineMs) > untilMs) {
        return
      }
      if (arrivalMs <= engineMs) {
        const { atMs, request } = this.#underWay.shift() ?? { atMs: 0, request: undefined }
        if (request !== undefined) {
          this.#model.submit(request, atMs)
        }
      } else {
        this.#model.advance(engineMs)
      }
    }
  }

  #listener(): ModelListener<Replayed> {
    const nothing = (): void => {}
    return {
      started: nothing,
      stepping: (work, nowMs, durationMs) => {
        this.#work.add(work, this.#freePrefillTokens)
        this.#runningMs += nowMs < this.#fromMs ? 0 : work.requests * durationMs
      },
      token: ({ request, generated }, nowMs, last) => {
        if (generated === 1) {
          this.#first(request, nowMs)
        }
        if (last) {
          this.#outstanding -= 1
          if (nowMs >= this.#fromMs) {
            this.#last(request, nowMs)
          }
          if (this.#front.beyond === 'SentLater') {
            this.#sendNext(nowMs)
          }
        }
      },
      readAdapter: nothing,
      loaded: nothing,
      stepped: nothing,
      died: nothing,
    }
  }

  #first(request: Replayed, nowMs: number): void {
    request.seenMs = this.#front.passes(nowMs)
    request.before = this.#work.copy()
  }

  #last(request: Replayed, nowMs: number): void {
    const { sentMs, seenMs, arrivedMs, outputTokens, before } = request
    this.#tokens += outputTokens
    this.#ttfts.push(seenMs - sentMs)
    this.#engineTtftMs += seenMs - arrivedMs
    if (outputTokens > 1) {
      const gaps = outputTokens - 1
      this.#timed += 1
      this.#tpotMs += (this.#front.passes(nowMs) - seenMs) / gaps
      this.#sum.addDifference(this.#work, before, 1 / gaps)
    }
  }

  #figures(): ReplayFigures {
    const ttfts = Float64Array.from(this.#ttfts).sort()
    const completed = Math.max(1, ttfts.length)
    const timed = Math.max(1, this.#timed)
    const spanMs = this.#untilMs - this.#fromMs
    return {
      completed: ttfts.length,
      outputTokensPerS: (this.#tokens / spanMs) * 1000,
      ttftMeanMs: ttfts.reduce((sum, value) => sum + value, 0) / completed,
      ttftP50Ms: ttfts[ttfts.length >> 1] ?? 0,
      engineTtftMeanMs: this.#engineTtftMs / completed,
      tpotMeanMs: this.#tpotMs / timed,
      runningMean: this.#runningMs / spanMs,
      work: this.#sum.scaled(1 / timed),
    }
  }
}
