export interface BreakerOptions {
  /** So many failures in a row open it. */
  readonly failures: number
  /** Then one call is let through each time this has passed. */
  readonly probeEveryMs: number
}

/** A slow store is worse than a dead one: after some failures in a row nobody waits for it any more, but for one probe. */
export class CircuitBreaker {
  readonly #options: BreakerOptions
  readonly #now: () => number
  #failures = 0
  #probeAtMs = 0

  constructor(options: BreakerOptions, now: () => number) {
    this.#options = options
    this.#now = now
  }

  get isOpen(): boolean {
    return this.#failures >= this.#options.failures
  }

  /** Whether a call may go out now; while it is open, the one that may is the probe. */
  admits(): boolean {
    if (!this.isOpen) {
      return true
    }
    const nowMs = this.#now()
    if (nowMs < this.#probeAtMs) {
      return false
    }
    this.#probeAtMs = nowMs + this.#options.probeEveryMs
    return true
  }

  succeeded(): void {
    this.#failures = 0
  }

  failed(): void {
    this.#failures += 1
    if (this.#failures === this.#options.failures) {
      this.#probeAtMs = this.#now() + this.#options.probeEveryMs
    }
  }
}
