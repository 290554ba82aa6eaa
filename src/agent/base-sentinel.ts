import { baseChanged, type Positions } from '../core/canary.ts'
import { askEngine, type AskOutcome } from './ask-engine.ts'
import type { Clock } from './clock.ts'
import type { EngineProcess } from './engine-link.ts'
import type { AgentTimes, CanarySettings } from './options.ts'

export interface BaseSentinelOptions {
  readonly servedModelName: string
  readonly clock: Clock
  readonly canary: CanarySettings
  readonly times: Pick<AgentTimes, 'sentinelEveryMs' | 'sentinelForMs'>
}

/** Whether the base still answers as it did when its engine started: if not, something poisoned it for everybody. */
export class BaseSentinel {
  readonly #options: BaseSentinelOptions
  #process: EngineProcess | undefined
  #listening: Promise<void> = Promise.resolve()
  #atStart: readonly Positions[] | undefined
  #askAtMs: number | undefined
  #askUntilMs = 0
  #changed = false

  constructor(options: BaseSentinelOptions) {
    this.#options = options
  }

  /** It no longer answers as it did: everything on this engine is in doubt. */
  get changed(): boolean {
    return this.#changed
  }

  get askDueAtMs(): number | undefined {
    return this.#askAtMs
  }

  /**
   * A new process. Asked before the first adapter answers anything. The first answer may take long (kernels are
   * compiled): adapters load meanwhile.
   */
  begin(process: EngineProcess): void {
    this.#process = process
    this.#atStart = undefined
    this.#askAtMs = undefined
    this.#changed = false
    this.#listening = this.#listen(process)
  }

  /** What the base says at its start is known, or cannot be known now. */
  async begun(process: EngineProcess): Promise<void> {
    await this.#listening
    if (this.#atStart === undefined && this.#process === process) {
      this.#listening = this.#listen(process)
      await this.#listening
    }
  }

  /** Something not finite was computed. Poison may lie in a KV block that is recycled only later: ask now and for a while. */
  suspect(): void {
    const nowMs = this.#options.clock.now()
    this.#askAtMs = nowMs
    this.#askUntilMs = nowMs + this.#options.times.sentinelForMs
  }

  /** Asks twice, compares with the start, and plans the next question. */
  async check(process: EngineProcess): Promise<AskOutcome> {
    const said = await Promise.all([this.#ask(process), this.#ask(process)])
    const { clock, times } = this.#options
    const answers = said.flatMap((it) => (it.outcome === 'Answered' ? [it.answers] : []))
    if (said.some((it) => it.outcome === 'NonFinite')) {
      this.#changed = true
    } else if (answers.length > 0) {
      const atStart = this.#atStart
      this.#changed = atStart !== undefined && answers.some((now) => baseChanged(atStart, now))
    }
    const goesOn = this.#changed || clock.now() < this.#askUntilMs
    this.#askAtMs = goesOn ? clock.now() + times.sentinelEveryMs : undefined
    return said.find((it) => it.outcome !== 'Answered') ?? said[0]
  }

  async #listen(process: EngineProcess): Promise<void> {
    try {
      const said = await this.#ask(process)
      if (this.#process === process && said.outcome === 'Answered') {
        this.#atStart = said.answers
      }
    } catch {
      // The process is gone; the next one is asked anew.
    }
  }

  #ask(process: EngineProcess): Promise<AskOutcome> {
    const { servedModelName, canary } = this.#options
    const { sentinelPrompts: prompts, tokens, logprobs } = canary
    return askEngine(process, servedModelName, tokens, { prompts, logprobs })
  }
}
