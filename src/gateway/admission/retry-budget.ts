/**
 * I10: retries are a small share of traffic, so that a failing pool is not hit twice as hard. A bucket that holds
 * `burst` retries and gains `share` of one with every request that is started.
 */
export class RetryBudget {
  readonly #burst: number
  readonly #share: number
  #tokens: number

  constructor(burst = 64, share = 0.1) {
    this.#burst = burst
    this.#share = share
    this.#tokens = burst
  }

  noteRequest(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + this.#share)
  }

  take(): boolean {
    if (this.#tokens < 1) {
      return false
    }
    this.#tokens -= 1
    return true
  }
}
