import { costsOf, replicaCost, type PoolPrices, type TokenCounts } from '../../core/prices.ts'
import type { Caller, RouteTarget } from '../../core/resolve.ts'
import type { Cap } from '../../core/terms.ts'
import type { WindowCache } from '../../core/window-cache.ts'
import { attemptId } from '../../ledger/attempt-id.ts'
import { LiveHold, type LiveHolds, type UseSoFar } from '../../ledger/live-holds.ts'
import type { Exactness, Line, Refused } from '../../ledger/types.ts'
import type { UsageRecord } from '../../ledger/usage/types.ts'
import type { InferenceRequest } from '../request/inference-request.ts'
import type { Usage } from '../relay/usage.ts'
import { asked } from './asked.ts'
import { amountsOf, greatestUse, linesOf, useOf, type AttemptUse } from './attempt-use.ts'
import type { LimitWatch } from './limit-watch.ts'
import type { OutputBound } from './output-bound.ts'
import type { PromptSize } from './prompt-size.ts'
import { rateHeaders } from './rate-headers.ts'
import { refusalOf } from './refusal-of.ts'
import { hasRoom, isNearCap } from './room.ts'
import { shorterAnswer } from './shorter-answer.ts'

/** What the charges of a gateway share. */
export interface ChargeMeans {
  readonly holds: LiveHolds
  readonly windows: WindowCache
  readonly watch: LimitWatch
  /** Somebody reads bills: those of requests that this process does not live to see the end of are left for another. */
  readonly keepsBills: boolean
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
  readonly prompt: PromptSize
  /** Tokens of a prompt and its answer together; undefined where nobody said. */
  readonly contextWindow: number | undefined
  readonly caps: readonly Cap[]
  readonly prices: PoolPrices
  readonly output: OutputBound
  readonly userHash: string
}

/** Why an attempt is over. */
export type AttemptEnd = 'Answered' | 'CallerLeft' | 'Failed'

/** Shorter answers without limits have no hold: what a killed process leaves unbilled of them is little. */
const billedAfterMs = 1000
/** No engine writes an answer faster than this; what a caller who left could have got is less. */
const greatestTokensPerMs = 1

/** One attempt, from its hold to its bill. */
interface Attempt {
  /** Another one where a hold was given back for a better one. */
  id: string
  /** Undefined while it is asked for, and where nothing is limited. */
  hold: LiveHold | undefined
  /** Ended while the hold was asked for. */
  over: boolean
  sentAt: number | undefined
  usageSoFar: () => Usage | undefined
  /** Requests on the engine, this one included. */
  beside: number
  /** A hold for its bill alone is on its way. */
  asksForBill: boolean
}

/** What one request takes of limits and budgets: a hold for each attempt, renewed while it lasts, and its bill (I5, I6). */
export class Charge {
  readonly #means: ChargeMeans
  readonly #context: ChargeContext
  #attempt: Attempt | undefined
  #outputTokens: number
  #isOurs: boolean
  #headers: Record<string, string> = {}

  constructor(means: ChargeMeans, context: ChargeContext) {
    this.#means = means
    this.#context = context
    this.#outputTokens = context.output.tokens
    this.#isOurs = context.output.isOurs
  }

  /** Tokens of a prompt and its answer together; undefined where nobody said. */
  get contextWindow(): number | undefined {
    return this.#context.contextWindow
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
    const { caps, prompt } = this.#context
    const attempt: Attempt = {
      id: attemptId(this.#means.now()),
      hold: undefined,
      over: false,
      sentAt: undefined,
      usageSoFar: () => undefined,
      beside: 1,
      asksForBill: false,
    }
    this.#attempt = attempt
    return caps.length === 0 && !prompt.isInDoubt ? undefined : this.#take(attempt)
  }

  /** The attempt went to an engine. @param inFlight requests there, this one included */
  began(inFlight: number, usageSoFar: () => Usage | undefined): void {
    if (this.#attempt !== undefined) {
      this.#attempt.sentAt = performance.now()
      this.#attempt.usageSoFar = usageSoFar
      this.#attempt.beside = Math.max(1, inFlight)
    }
  }

  /** Called now and then: where nothing is limited, an answer that lasts gets a hold for its bill's sake. */
  sweep(): void {
    const attempt = this.#attempt
    if (
      attempt?.sentAt !== undefined &&
      attempt.hold === undefined &&
      this.#means.keepsBills &&
      performance.now() - attempt.sentAt > billedAfterMs
    ) {
      const use = this.#useSoFar(attempt)
      if (use !== undefined) {
        this.#holdBill(attempt, use.bill).catch(this.#means.onFault)
      }
    }
  }

  /** I6: what is booked and billed should this process die now. */
  #useSoFar(attempt: Attempt): UseSoFar | undefined {
    const usage = attempt.usageSoFar()
    if (attempt.sentAt === undefined || usage === undefined) {
      return undefined
    }
    const counts = this.#countsOf(usage)
    const sinceMs = performance.now() - attempt.sentAt
    const bill = { counts, exactness: 'LowerBound', sinceMs } as const
    return {
      used: this.#amountsOf(counts),
      bill: this.#means.keepsBills ? JSON.stringify(this.#recordOf(attempt, bill)) : '',
    }
  }

  #keep(attempt: Attempt, hold: LiveHold): void {
    attempt.hold = hold
    hold.useSoFar = () => this.#useSoFar(attempt)
  }

  /** Beside the traffic: nobody waits for it. */
  async #holdBill(attempt: Attempt, note: string): Promise<void> {
    if (attempt.asksForBill) {
      return
    }
    attempt.asksForBill = true
    const hold = await this.#means.holds.begin({ id: attempt.id, lines: [], note })
    attempt.asksForBill = false
    if (hold instanceof LiveHold && attempt.over) {
      await hold.release()
    } else if (hold instanceof LiveHold) {
      this.#keep(attempt, hold)
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
      this.#means.record(this.#recordOf(attempt, billed))
    }
  }

  async #take(attempt: Attempt): Promise<void> {
    const { caps, prompt } = this.#context
    if (prompt.isInDoubt) {
      await prompt.requireAllowed()
    }
    if (caps.length === 0 || attempt.over) {
      return
    }
    let tried = await this.#tryExactly(attempt, await this.#try(attempt))
    const shorter = tried.answer instanceof LiveHold ? undefined : this.#shorterAnswer(tried.answer)
    if (shorter !== undefined && !attempt.over) {
      this.#outputTokens = shorter
      this.#isOurs = true
      tried = await this.#try(attempt)
    }
    const { answer, lines } = tried
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
      this.#keep(attempt, answer)
    }
  }

  /** Once more with what an engine counts, where the bound of the prompt is in the way, or may be none. */
  async #tryExactly(attempt: Attempt, first: Tried): Promise<Tried> {
    const { caps, prompt, request } = this.#context
    if (!prompt.canBeAsked || attempt.over) {
      return first
    }
    const bound = prompt.tokens
    const { counters } = first.answer
    if (!(first.answer instanceof LiveHold)) {
      const least = amountsOf(caps, this.#greatestUse(1, request.measure.outputCap ?? 1))
      const couldFit = hasRoom(caps, counters, least)
      return couldFit && (await prompt.ask()) && prompt.tokens < bound ? this.#try(attempt) : first
    }
    const isNear = request.measure.hasTools && isNearCap(caps, counters)
    if (!isNear || !(await prompt.ask()) || prompt.tokens <= bound) {
      return first
    }
    // I5: the bound was none, and there is little room left for what is above it.
    await first.answer.release()
    attempt.id = attemptId(this.#means.now())
    return this.#try(attempt)
  }

  #shorterAnswer(refused: Refused): number | undefined {
    const { caps, prompt, prices, request } = this.#context
    const { outputCap, answers } = request.measure
    return outputCap === undefined && answers > 0
      ? shorterAnswer(refused, caps, {
          inputTokens: prompt.tokens,
          outputTokens: this.#outputTokens,
          answers,
          prices,
        })
      : undefined
  }

  async #try({ id }: Attempt): Promise<Tried> {
    const lines = linesOf(
      this.#context.caps,
      this.#greatestUse(),
      this.#means.windows,
      this.#means.now(),
    )
    return { answer: await asked(this.#means.holds.begin({ id, lines })), lines }
  }

  #greatestUse(
    inputTokens = this.#context.prompt.tokens,
    outputTokens = this.#outputTokens,
  ): AttemptUse {
    const { request, prices, contextWindow } = this.#context
    const { answers } = request.measure
    return greatestUse(inputTokens, outputTokens, answers, prices, contextWindow)
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
    if (end === 'Failed') {
      return undefined
    }
    const { request, prompt } = this.#context
    const { answers } = request.measure
    const wasCounted = request.stream || (answers === 0 && prompt.tokens === 0)
    if (wasCounted) {
      const counts = { input: 0, cachedInput: 0, output: 0 }
      return { counts, exactness: end === 'Answered' ? 'Exact' : 'LowerBound', sinceMs }
    }
    // Nobody counted: no more than could be written in that time, nor than was held.
    const output = Math.min(this.#outputTokens, Math.ceil(sinceMs * greatestTokensPerMs)) * answers
    const counts = { input: prompt.tokens, cachedInput: 0, output }
    return { counts, exactness: 'Unknown', sinceMs }
  }

  /** An API that counts only at its end has no word on the prompt before. */
  #countsOf({ promptTokens, completionTokens, cachedTokens }: Usage): TokenCounts {
    const input = promptTokens === 0 ? this.#context.prompt.tokens : promptTokens
    return { input, cachedInput: cachedTokens, output: completionTokens }
  }

  #recordOf(attempt: Attempt, { counts, exactness, sinceMs }: Bill): UsageRecord {
    const { caller, target, prices, userHash } = this.#context
    const gpuMs = Math.round(sinceMs / attempt.beside)
    return {
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
    }
  }
}

interface Tried {
  readonly answer: LiveHold | Refused
  /** As they were tried. */
  readonly lines: readonly Line[]
}

interface Bill {
  readonly counts: TokenCounts
  readonly exactness: Exactness
  /** Since it was sent. */
  readonly sinceMs: number
}
