export interface BackoffOptions {
  readonly baseMs: number
  readonly maxMs: number
  /** 0 ≤ x < 1. */
  readonly random?: () => number
}

/** Waits that double, each a random part of its bound ("full jitter"), so that many who fail together do not return together. */
export class Backoff {
  readonly #baseMs: number
  readonly #maxMs: number
  readonly #random: () => number
  #attempts = 0

  constructor({ baseMs, maxMs, random = Math.random }: BackoffOptions) {
    this.#baseMs = baseMs
    this.#maxMs = maxMs
    this.#random = random
  }

  get attempts(): number {
    return this.#attempts
  }

  nextMs(): number {
    const boundMs = Math.min(this.#maxMs, this.#baseMs * 2 ** Math.min(this.#attempts, 30))
    this.#attempts += 1
    return this.#random() * boundMs
  }

  reset(): void {
    this.#attempts = 0
  }
}
