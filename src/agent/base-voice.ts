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
  #asked: Asked | undefined
  #askAtMs: number | undefined
  #askUntilMs = 0
  #changed = false

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
    this.#asked = undefined
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

  /** So many positions, said at most a second ago, or being said now: canaries one after another share it. */
  recent(process: EngineProcess, tokens: number): Promise<BaseOutcome> {
    const asked = this.#asked
    const usable = asked?.process === process && asked.tokens >= tokens && this.#isFresh(asked)
    return usable ? asked.said : this.#ask(process, tokens)
  }

  /** The sentinel: asks, compares with the start, and plans the next question. */
  async check(process: EngineProcess): Promise<BaseOutcome> {
    const said = await this.#ask(process, this.#options.canary.tokens)
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

  #ask(process: EngineProcess, tokens: number): Promise<BaseOutcome> {
    const asked: Asked = { process, tokens, said: this.#askTwice(process, tokens), end: undefined }
    this.#asked = asked
    const end = (outcome: BaseOutcome | undefined): void => {
      asked.end = { atMs: this.#options.clock.now(), outcome }
      if (outcome?.outcome === 'Answered' && !process.signal.aborted) {
        this.#atStart ??= outcome.base
      }
    }
    asked.said.then(end, () => end(undefined))
    return asked.said
  }

  async #askTwice(process: EngineProcess, tokens: number): Promise<BaseOutcome> {
    const { servedModelName, canary } = this.#options
    const [first, second] = await Promise.all([
      askEngine(process, servedModelName, tokens, canary),
      askEngine(process, servedModelName, tokens, canary),
    ])
    return pair(first, second)
  }

  #isFresh({ end }: Asked): boolean {
    const { clock, canary } = this.#options
    return (
      end === undefined ||
      (end.outcome?.outcome === 'Answered' && clock.now() - end.atMs <= canary.baseMaxAgeMs)
    )
  }
}

interface Asked {
  readonly process: EngineProcess
  readonly tokens: number
  readonly said: Promise<BaseOutcome>
  end: { readonly atMs: number; readonly outcome: BaseOutcome | undefined } | undefined
}

function pair(first: AskOutcome, second: AskOutcome): BaseOutcome {
  if (first.outcome !== 'Answered') {
    return first
  }
  return second.outcome === 'Answered'
    ? { outcome: 'Answered', base: first.answers, baseAgain: second.answers }
    : second
}
