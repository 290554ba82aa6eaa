/** An exponentially weighted mean of what something took, for telling a waiter how long it may be. */
export class DurationEstimate {
  readonly #weight = 0.3
  #meanMs: number

  constructor(initialMs: number) {
    this.#meanMs = initialMs
  }

  add(durationMs: number): void {
    this.#meanMs += this.#weight * (durationMs - this.#meanMs)
  }

  get ms(): number {
    return this.#meanMs
  }
}
