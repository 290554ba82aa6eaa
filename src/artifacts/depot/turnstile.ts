/** Lets so many in at once; the rest wait in order. */
export class Turnstile {
  readonly #places: number
  readonly #waiting: (() => void)[] = []
  #inside = 0

  constructor(places: number) {
    this.#places = places
  }

  get inside(): number {
    return this.#inside
  }

  /** Rejects with the signal's reason where it aborts first. */
  async pass<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#enter(signal)
    try {
      return await work()
    } finally {
      this.#inside -= 1
      this.#waiting.shift()?.()
    }
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (this.#inside >= this.#places) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
      if (signal.aborted) {
        // Whoever was waved in leaves its place to the next one.
        this.#waiting.shift()?.()
        signal.throwIfAborted()
      }
    }
    this.#inside += 1
  }
}
