import { setImmediate as turn } from 'node:timers/promises'

const sliceMs = 20

/** Divides long work into turns of the event loop: renewing the lease, above all, must not wait for the whole of it. */
export class TimeSlice {
  readonly #now: () => number
  #endMs: number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#endMs = now() + sliceMs
  }

  get isOver(): boolean {
    return this.#now() >= this.#endMs
  }

  /** Resolves when everybody else had a turn. */
  async next(): Promise<void> {
    await turn()
    this.#endMs = this.#now() + sliceMs
  }
}
