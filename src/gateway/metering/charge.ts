import { costsOf, replicaCost, type PoolPrices, type TokenCounts } from '../../core/prices.ts'
import type { Caller, RouteTarget } from '../../core/resolve.ts'
import type { Cap } from '../../core/terms.ts'
import type { WindowCache } from '../../core/window-cache.ts'
import { attemptId } from '../../ledger/attempt-id.ts'
import { LiveHold, type LiveHolds } from '../../ledger/live-holds.ts'
import type { Exactness, Line, Refused } from '../../ledger/types.ts'
import type { UsageRecord } from '../../ledger/usage/types.ts'
import type { InferenceRequest } from '../inference-request.ts'
import type { Usage } from '../usage.ts'
import { asked } from './asked.ts'
import { amountsOf, greatestUse, linesOf, useOf, type AttemptUse } from './attempt-use.ts'
import { contextWindowOf } from './context-window.ts'
import { inputBoundOf } from './input-bound.ts'
import type { LimitWatch } from './limit-watch.ts'
import type { OutputBound } from './output-bound.ts'
import { rateHeaders } from './rate-headers.ts'
import { refusalOf } from './refusal-of.ts'
import { shorterAnswer } from './shorter-answer.ts'

/** What the charges of a gateway share. */
export interface ChargeMeans {
  readonly holds: LiveHolds
  readonly windows: WindowCache
  readonly watch: LimitWatch
  /** Takes what was used; never waits. */
  readonly record: (record: UsageRecord) => void
  /** What the ledger could not be told; it books a hold by itself when that ends. */
  readonly onFault: (error: unknown) => void
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface ChargeContext {
  readonly id: string
  readonly caller: Caller
  readonly target: RouteTarget
  readonly request: InferenceRequest
  readonly caps: readonly Cap[]
  readonly prices: PoolPrices
  readonly output: OutputBound
  readonly userHash: string
}

/** Why an attempt is over. */
export type AttemptEnd = 'Answered' | 'CallerLeft' | 'Failed'

/** How old the usage can be at which a lapsed hold is booked (I6). */
const noteEveryMs = 1000
/** No engine writes an answer faster than this; what a caller who left could have got is less. */
const greatestTokensPerMs = 1

/** One attempt, from its hold to its bill. */
interface Attempt {
  readonly id: string
  /** Undefined while it is asked for, and where nothing is limited. */
  hold: LiveHold | undefined
  /** Ended while the hold was asked for. */
  over: boolean
  sentAt: number | undefined
  /** Requests on the engine, this one included. */
  beside: number
  noteAt: number
}

/** What one request takes of limits and budgets: a hold for each attempt, renewed while it lasts, and its bill (I5, I6). */
export class Charge {
  readonly #means: ChargeMeans
  readonly #context: ChargeContext
  readonly #inputTokens: number
  #attempt: Attempt | undefined
  #outputTokens: number
  #isOurs: boolean
  #headers: Record<string, string> = {}

  constructor(means: ChargeMeans, context: ChargeContext) {
    this.#means = means
    this.#context = context
    this.#inputTokens = inputBoundOf(context.request.measure, contextWindowOf(context.target.pool))
    this.#outputTokens = context.output.tokens
    this.#isOurs = context.output.isOurs
  }

  /** What the engine has to be told, because the caller did not. */
  get outputCap(): number | undefined {
    return this.#isOurs ? this.#outputTokens : undefined
  }

  /** `x-ratelimit-*` as they were when the attempt was permitted. */
  get headers(): Readonly<Record<string, string>> {
    return this.#headers
  }

  /** Begins an attempt; undefined where nothing is limited. Rejects with a LoraplexError where there is no room. */
  permit(): Promise<void> | undefined {
    const { caps } = this.#context
    const attempt: Attempt = {
      id: attemptId(this.#means.now()),
      hold: undefined,
      over: false,
      sentAt: undefined,
      beside: 1,
      noteAt: 0,
    }
    this.#attempt = attempt
    return caps.length === 0 ? undefined : this.#take(attempt)
  }

  /** The attempt went to an engine. @param inFlight requests there, this one included */
  began(inFlight: number): void {
    if (this.#attempt !== undefined) {
      this.#attempt.sentAt = performance.now()
      this.#attempt.beside = Math.max(1, inFlight)
    }
  }

  /** Called now and then, with what is known to be used. @param now monotonic milliseconds */
  note(now: number, usageSoFar: () => Usage | undefined): void {
    const attempt = this.#attempt
    if (attempt?.hold === undefined || now < attempt.noteAt) {
      return
    }
    attempt.noteAt = now + noteEveryMs
    const usage = usageSoFar()
    if (usage !== undefined) {
      attempt.hold.note(this.#amountsOf(this.#countsOf(usage)))
    }
  }

  /** Ends the attempt: once each, whatever happened. */
  settle(usage: Usage | undefined, end: AttemptEnd): void {
    const attempt = this.#attempt
    if (attempt === undefined) {
      return
    }
    this.#attempt = undefined
    attempt.over = true
    const billed = attempt.sentAt === undefined ? undefined : this.#billOf(usage, end, attempt)
    if (attempt.hold !== undefined) {
      this.#settleHold(attempt.hold, billed)
    }
    if (billed !== undefined) {
      this.#record(attempt, billed)
    }
  }

  async #take(attempt: Attempt): Promise<void> {
    const { caps } = this.#context
    let use = this.#greatestUse()
    let lines = this.#lines(use)
    let answer = await this.#try(attempt, lines)
    if (!(answer instanceof LiveHold)) {
      const { measure } = this.#context.request
      const shorter =
        measure.outputCap === undefined && measure.answers > 0
          ? shorterAnswer(answer, caps, {
              inputTokens: this.#inputTokens,
              outputTokens: this.#outputTokens,
              answers: measure.answers,
              prices: this.#context.prices,
            })
          : undefined
      if (shorter !== undefined && !attempt.over) {
        this.#outputTokens = shorter
        this.#isOurs = true
        use = this.#greatestUse()
        lines = this.#lines(use)
        answer = await this.#try(attempt, lines)
      }
    }
    const nowMs = this.#means.now()
    const { watch } = this.#means
    const { tenant } = this.#context.caller
    watch.stood(tenant, caps, lines, answer.counters)
    if (!(answer instanceof LiveHold)) {
      const { refusal, short } = refusalOf(answer, caps, lines, nowMs)
      if (short !== undefined) {
        watch.refused(tenant, short)
      }
      throw refusal
    }
    this.#headers = rateHeaders(caps, lines, answer.counters, nowMs)
    if (attempt.over) {
      answer.release().catch(this.#means.onFault)
    } else {
      attempt.hold = answer
    }
  }

  #try(attempt: Attempt, lines: readonly Line[]): Promise<LiveHold | Refused> {
    return asked(this.#means.holds.begin({ id: attempt.id, lines }))
  }

  #greatestUse(): AttemptUse {
    const { request, prices, target } = this.#context
    return greatestUse(
      this.#inputTokens,
      this.#outputTokens,
      request.measure.answers,
      prices,
      contextWindowOf(target.pool),
    )
  }

  #lines(use: AttemptUse): readonly Line[] {
    return linesOf(this.#context.caps, use, this.#means.windows, this.#means.now())
  }

  #settleHold(hold: LiveHold, billed: Bill | undefined): void {
    const told =
      billed === undefined
        ? hold.release()
        : hold.settle({
            used: this.#amountsOf(billed.counts),
            exactness: billed.exactness === 'Exact' ? 'Exact' : 'LowerBound',
          })
    told.catch(this.#means.onFault)
  }

  #amountsOf(counts: TokenCounts): readonly number[] {
    const { caps, prices } = this.#context
    return amountsOf(caps, useOf(counts, prices))
  }

  /** What is billed; undefined: nothing. Only for attempts that reached an engine. */
  #billOf(usage: Usage | undefined, end: AttemptEnd, { sentAt = 0 }: Attempt): Bill | undefined {
    const sinceMs = performance.now() - sentAt
    if (usage !== undefined) {
      const exactness = usage.lowerBound ? 'LowerBound' : 'Exact'
      return { counts: this.#countsOf(usage), exactness, sinceMs }
    }
    const { request } = this.#context
    const { answers } = request.measure
    const inputTokens = this.#inputTokens
    if (end === 'Failed') {
      return undefined
    }
    const wasCounted = request.stream || (answers === 0 && inputTokens === 0)
    if (wasCounted) {
      const counts = { input: 0, cachedInput: 0, output: 0 }
      return { counts, exactness: end === 'Answered' ? 'Exact' : 'LowerBound', sinceMs }
    }
    // Nobody counted: no more than could be written in that time, nor than was held.
    const output = Math.min(this.#outputTokens, Math.ceil(sinceMs * greatestTokensPerMs)) * answers
    const counts = { input: inputTokens, cachedInput: 0, output }
    return { counts, exactness: 'Unknown', sinceMs }
  }

  /** An API that counts only at its end has no word on the prompt before. */
  #countsOf({ promptTokens, completionTokens, cachedTokens }: Usage): TokenCounts {
    const input = promptTokens === 0 ? this.#inputTokens : promptTokens
    return { input, cachedInput: cachedTokens, output: completionTokens }
  }

  #record(attempt: Attempt, { counts, exactness, sinceMs }: Bill): void {
    const { caller, target, prices, userHash } = this.#context
    const gpuMs = Math.round(sinceMs / attempt.beside)
    this.#means.record({
      attemptId: attempt.id,
      atMs: this.#means.now(),
      tenant: caller.tenant,
      namespace: (target.adapterKey ?? target.poolKey).split('/')[0] ?? '',
      adapter: target.adapterKey?.split('/')[1] ?? '',
      revision: target.revision ?? '',
      pool: target.poolKey,
      keyId: caller.keyKey,
      userHash,
      inputTokens: counts.input,
      cachedTokens: counts.cachedInput,
      outputTokens: counts.output,
      gpuMs,
      ...costsOf(prices.tokens, counts),
      gpuNanos: replicaCost(prices, gpuMs),
      exactness,
    })
  }
}

interface Bill {
  readonly counts: TokenCounts
  readonly exactness: Exactness
  /** Since it was sent. */
  readonly sinceMs: number
}
