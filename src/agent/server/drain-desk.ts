import type { Agent } from '../options.ts'

/** One drain at a time, whoever asked for it and however often. */
export class DrainDesk {
  readonly #agent: Pick<Agent, 'drain' | 'undrain'>
  #drain: Promise<void> | undefined

  constructor(agent: Pick<Agent, 'drain' | 'undrain'>) {
    this.#agent = agent
  }

  /** Resolves when nothing is in flight any more, or the time for that is over. */
  drain(): Promise<void> {
    this.#drain ??= this.#agent.drain()
    return this.#drain
  }

  undo(): void {
    if (this.#drain !== undefined) {
      this.#drain = undefined
      this.#agent.undrain()
    }
  }

  /** Whether a drain ends within this time. */
  async endsWithin(limitMs: number): Promise<boolean> {
    const timer = Promise.withResolvers<false>()
    const timeout = setTimeout(() => timer.resolve(false), limitMs)
    try {
      return await Promise.race([this.drain().then(() => true), timer.promise])
    } finally {
      clearTimeout(timeout)
    }
  }
}
