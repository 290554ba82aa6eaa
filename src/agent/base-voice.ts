import { baseChanged, type Positions } from '../core/canary.ts'
import { askEngine, type AskOutcome } from './ask-engine.ts'
import type { Clock } from './clock.ts'
import type { EngineProcess } from './engine-link.ts'
import type { AgentTimes, CanarySettings } from './options.ts'

/** What the base said twice in one second: the yardstick of a canary. */
export type BaseOutcome =
  | {
      readonly outcome: 'Answered'
      readonly base: readonly Positions[]
      readonly baseAgain: readonly Positions[]
    }
  | Exclude<AskOutcome, { outcome: 'Answered' }>

export interface BaseVoiceOptions {
  readonly servedModelName: string
  readonly clock: Clock
  readonly canary: CanarySettings
  readonly times: Pick<AgentTimes, 'sentinelEveryMs' | 'sentinelForMs'>
}

/** The base model of one engine process: what it says now, and whether that is still what it said at its start. */
export class BaseVoice {
  readonly #options: BaseVoiceOptions
  #atStart: readonly Positions[] | undefined
  #last: { readonly saidAtMs: number; readonly said: BaseOutcome } | undefined
  #askAtMs: number | undefined
  #askUntilMs = 0
  #changed = false
  #asking: { readonly process: EngineProcess; readonly said: Promise<BaseOutcome> } | undefined

  constructor(options: BaseVoiceOptions) {
    this.#options = options
  }

  /** It no longer answers as it did: everything on this engine is in doubt. */
  get changed(): boolean {
    return this.#changed
  }

  get askDueAtMs(): number | undefined {
    return this.#askAtMs
  }

  /** Another process, which has said nothing yet. */
  reset(): void {
    this.#atStart = undefined
    this.#last = undefined
    this.#asking = undefined
    this.#askAtMs = undefined
    this.#changed = false
  }

  /**
   * Something not finite was computed. Poison may lie in a KV block that nobody has recycled yet, so the base is asked
   * now and for a while.
   */
  suspect(): void {
    const nowMs = this.#options.clock.now()
    this.#askAtMs = nowMs
    this.#askUntilMs = nowMs + this.#options.times.sentinelForMs
  }

  /** At most a second old, so that canaries one after another share it. */
  async recent(process: EngineProcess): Promise<BaseOutcome> {
    const ageMs = this.#options.clock.now() - (this.#last?.saidAtMs ?? Number.NEGATIVE_INFINITY)
    const usable = ageMs <= this.#options.canary.baseMaxAgeMs
    if (usable && this.#last?.said.outcome === 'Answered') {
      return this.#last.said
    }
    if (this.#asking?.process !== process) {
      const asking = { process, said: this.#ask(process) }
      this.#asking = asking
      const forget = (): void => {
        this.#asking = this.#asking === asking ? undefined : this.#asking
      }
      asking.said.then(forget, forget)
    }
    return this.#asking.said
  }

  /** The sentinel: asks, compares with the start, and plans the next question. */
  async check(process: EngineProcess): Promise<BaseOutcome> {
    const said = await this.#ask(process)
    const { clock, times } = this.#options
    if (said.outcome === 'Answered') {
      this.#changed = [said.base, said.baseAgain].some((answers) =>
        baseChanged(this.#atStart ?? said.base, answers),
      )
    } else if (said.outcome === 'NonFinite') {
      this.#changed = true
    }
    const goesOn = this.#changed || clock.now() < this.#askUntilMs
    this.#askAtMs = goesOn ? clock.now() + times.sentinelEveryMs : undefined
    return said
  }

  async #ask(process: EngineProcess): Promise<BaseOutcome> {
    const { servedModelName, canary, clock } = this.#options
    const saidAtMs = clock.now()
    const [first, second] = await Promise.all([
      askEngine(process, servedModelName, canary.tokens, canary),
      askEngine(process, servedModelName, canary.tokens, canary),
    ])
    const said = pair(first, second)
    if (!process.signal.aborted) {
      this.#last = { saidAtMs, said }
      this.#atStart ??= said.outcome === 'Answered' ? said.base : undefined
    }
    return said
  }
}

function pair(first: AskOutcome, second: AskOutcome): BaseOutcome {
  if (first.outcome !== 'Answered') {
    return first
  }
  return second.outcome === 'Answered'
    ? { outcome: 'Answered', base: first.answers, baseAgain: second.answers }
    : second
}
