import type { Positions } from '../core/canary.ts'
import { askEngine, type AskOutcome } from './ask-engine.ts'
import type { Clock } from './clock.ts'
import type { EngineProcess } from './engine-link.ts'
import type { CanarySettings } from './options.ts'

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
}

/** What the base says to the canary's prompts, shared by canaries one after another. */
export class BaseVoice {
  readonly #options: BaseVoiceOptions
  #asked: Asked | undefined

  constructor(options: BaseVoiceOptions) {
    this.#options = options
  }

  /** So many positions, said so long ago at most, or being said now. */
  recent(process: EngineProcess, tokens: number, maxAgeMs: number): Promise<BaseOutcome> {
    const asked = this.#asked
    const usable =
      asked?.process === process && asked.tokens >= tokens && this.#isFresh(asked, maxAgeMs)
    return usable ? asked.said : this.#ask(process, tokens)
  }

  #ask(process: EngineProcess, tokens: number): Promise<BaseOutcome> {
    const asked: Asked = { process, tokens, said: this.#askTwice(process, tokens), end: undefined }
    this.#asked = asked
    const end = (outcome: BaseOutcome | undefined): void => {
      asked.end = { atMs: this.#options.clock.now(), outcome }
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

  #isFresh({ end }: Asked, maxAgeMs: number): boolean {
    const ageMs = this.#options.clock.now() - (end?.atMs ?? 0)
    return end === undefined || (end.outcome?.outcome === 'Answered' && ageMs <= maxAgeMs)
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
