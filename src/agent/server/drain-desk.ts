import type { Agent } from '../options.ts'

/** `TakenBack`: somebody wants the replica to go on serving, and nobody is to ask again. */
export type DrainOutcome = 'Drained' | 'Pending' | 'TakenBack'

/** One drain at a time, whoever asked for it and however often. */
export class DrainDesk {
  readonly #agent: Pick<Agent, 'drain' | 'undrain'>
  readonly #askers = new Set<(outcome: DrainOutcome) => void>()
  #drain: Promise<void> | undefined
  #isEnding = false

  constructor(agent: Pick<Agent, 'drain' | 'undrain'>) {
    this.#agent = agent
  }

  /** Resolves when nothing is in flight any more, or the time for that is over. */
  drain(): Promise<void> {
    this.#drain ??= this.#agent.drain()
    return this.#drain
  }

  /** The engine's container ends (I4): a controller that changes its mind does not bring it back, a new engine does. */
  drainToEnd(): Promise<void> {
    this.#isEnding = true
    return this.drain()
  }

  engineIsNew(): void {
    this.#isEnding = false
    this.undo()
  }

  undo(): void {
    this.#askers.forEach((answer) => answer('TakenBack'))
    if (this.#drain !== undefined && !this.#isEnding) {
      this.#drain = undefined
      this.#agent.undrain()
    }
  }

  /** What becomes of a drain within this time. */
  async outcomeWithin(limitMs: number): Promise<DrainOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<DrainOutcome>()
    this.#askers.add(resolve)
    const timer = setTimeout(() => resolve('Pending'), limitMs)
    this.drain().then(() => resolve('Drained'), reject)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#askers.delete(resolve)
    }
  }
}
