export interface TokenBucketOptions {
  readonly perSecond: number
  readonly burst: number
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

/** So many at once, so many a second after that. */
export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  readonly #now: () => number
  #tokens: number
  #atMs: number

  constructor({ perSecond, burst, now = () => performance.now() }: TokenBucketOptions) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#now = now
    this.#tokens = burst
    this.#atMs = now()
  }

  get isFull(): boolean {
    this.#fill()
    return this.#tokens >= this.#burst
  }

  /** Takes a token if there is one. */
  tryTake(): boolean {
    this.#fill()
    if (this.#tokens < 1) {
      return false
    }
    this.#tokens -= 1
    return true
  }

  /** Takes a token in any case; the time until it would have been there. */
  take(): number {
    this.#fill()
    this.#tokens -= 1
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs
  }

  #fill(): void {
    const nowMs = this.#now()
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#atMs) * this.#perMs)
    this.#atMs = nowMs
  }
}
