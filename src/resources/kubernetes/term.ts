import type { Clock, Timer } from './clock.ts'
import type { Leadership } from './types.ts'

export interface TermOptions {
  readonly term: number
  readonly renewDeadlineMs: number
  /** When the request that took the Lease was begun: the earliest moment from which others count. */
  readonly renewedAtMs: number
  readonly clock: Clock
}

/** One holding of the Lease, from taking it until the deadline passes without a renewal. It never comes back. */
export class Term implements Leadership {
  readonly term: number
  readonly #deadlineMs: number
  readonly #clock: Clock
  readonly #lost = new AbortController()
  #renewedAtMs: number
  #timer: Timer

  constructor({ term, renewDeadlineMs, renewedAtMs, clock }: TermOptions) {
    this.term = term
    this.#deadlineMs = renewDeadlineMs
    this.#clock = clock
    this.#renewedAtMs = renewedAtMs
    this.#timer = this.#arm()
  }

  get signal(): AbortSignal {
    return this.#lost.signal
  }

  /** Asks the clock, not the timer: a process that was frozen has late timers. */
  mayWrite(): boolean {
    if (this.#lost.signal.aborted) {
      return false
    }
    if (this.#leftMs() > 0) {
      return true
    }
    this.end()
    return false
  }

  /** `sinceMs`: when the renewing request was begun. One that came back after the deadline changes nothing. */
  renewed(sinceMs: number): void {
    if (this.mayWrite()) {
      this.#renewedAtMs = sinceMs
      this.#timer.cancel()
      this.#timer = this.#arm()
    }
  }

  end(): void {
    this.#timer.cancel()
    this.#lost.abort()
  }

  #leftMs(): number {
    return this.#renewedAtMs + this.#deadlineMs - this.#clock.now()
  }

  #arm(): Timer {
    return this.#clock.after(Math.max(0, this.#leftMs()), () => {
      if (!this.#lost.signal.aborted && this.#leftMs() > 0) {
        this.#timer = this.#arm()
      } else {
        this.end()
      }
    })
  }
}
