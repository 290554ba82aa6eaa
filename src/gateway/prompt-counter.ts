import { engineNameOf } from '../api/names.ts'
import { FairTurnstile } from '../wire/fair-turnstile.ts'
import type { PoolEngines } from './metering/pool-engines.ts'
import type { PromptQuestion } from './request/prompt-question.ts'
import type { ReplicaView } from './replica-view.ts'
import { smallestWindow } from './smallest-window.ts'

interface Limits {
  /** Questions at engines at once. */
  readonly atOnce: number
  /** Questions that wait for one of those; more are not asked. */
  readonly waiting: number
  /** For an answer, the wait included. */
  readonly timeoutMs: number
}

const defaults: Limits = {
  atOnce: 8,
  waiting: 64,
  timeoutMs: 2_000,
}

/** The count stands in front of the tokens themselves, which can be many. */
const headBytes = 4096
const maxAnswerBytes = 64 * 1024 * 1024

/** Asks engines how many tokens a prompt has: a few questions at once, by turns of tenants, and never for long. */
export class PromptCounter {
  readonly #limits: Limits
  readonly #gate: FairTurnstile

  constructor(limits: Partial<Limits> = {}) {
    this.#limits = { ...defaults, ...limits }
    this.#gate = new FairTurnstile(this.#limits.atOnce)
  }

  /** As a charge sees them. @param views the pool's replicas */
  enginesOf(
    tenant: string,
    revision: string | undefined,
    views: () => readonly ReplicaView[],
  ): PoolEngines {
    return {
      contextWindow: smallestWindow(views()),
      count: (question) => this.#count(tenant, views(), revision, question),
    }
  }

  /** Undefined where nobody could say in time. */
  async #count(
    tenant: string,
    views: readonly ReplicaView[],
    revision: string | undefined,
    question: PromptQuestion,
  ): Promise<number | undefined> {
    if (question.kind === 'Counted') {
      return question.tokens
    }
    const view = leastBusy(views.filter(({ ready }) => ready))
    if (view === undefined || this.#gate.waiting >= this.#limits.waiting) {
      return undefined
    }
    const signal = AbortSignal.timeout(this.#limits.timeoutMs)
    return this.#gate
      .pass(tenant, () => ask(view, revision, question, signal), signal)
      .catch(() => undefined)
  }
}

function leastBusy(views: readonly ReplicaView[]): ReplicaView | undefined {
  return views.toSorted((left, right) => left.inFlight - right.inFlight)[0]
}

async function ask(
  view: ReplicaView,
  revision: string | undefined,
  { path, body }: Extract<PromptQuestion, { kind: 'Ask' }>,
  signal: AbortSignal,
): Promise<number | undefined> {
  // An adapter that is not there has the base's tokenizer as well.
  const isThere = revision !== undefined && view.residencyOf(revision).state === 'Routable'
  const model = isThere ? engineNameOf(revision) : view.replica.servedModelName
  const answer = await view.connections?.request({
    method: 'POST',
    path,
    headers: view.requestHeaders,
    body: body(model),
    signal,
  })
  if (answer === undefined) {
    return undefined
  }
  if (answer.statusCode !== 200) {
    await answer.body.dump()
    return undefined
  }
  let head = ''
  let bytes = 0
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    head += head.length < headBytes ? chunk.toString('latin1') : ''
    bytes += chunk.length
    if (bytes > maxAnswerBytes) {
      break
    }
  }
  const count = /"(?:count|input_tokens)":\s*(\d{1,9})\b/.exec(head.slice(0, headBytes))?.[1]
  return count === undefined ? undefined : Number(count)
}
