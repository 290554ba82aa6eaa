/** Older sights count for a third after so long. */
const forgetMs = 5000
/** Of an engine that nobody has seen write for so long, nothing is known. */
const validMs = 10_000

/** Milliseconds between two tokens of a stream on one engine, as whoever relays its streams sees them. */
export class SeenPace {
  #meanMs = 0
  #seenAtMs = Number.NEGATIVE_INFINITY

  /** @param nowMs of a clock that never goes back */
  note(stepMs: number, nowMs: number): void {
    const isKnown = this.at(nowMs) !== undefined
    const part = isKnown ? 1 - Math.exp(-(nowMs - this.#seenAtMs) / forgetMs) : 1
    this.#meanMs += part * (stepMs - this.#meanMs)
    this.#seenAtMs = nowMs
  }

  /** Undefined while nothing was seen, or not for long enough. */
  at(nowMs: number): number | undefined {
    return nowMs - this.#seenAtMs > validMs ? undefined : this.#meanMs
  }
}
