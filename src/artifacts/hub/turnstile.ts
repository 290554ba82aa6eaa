/** Lets so many in at once; the rest wait in order. */
export class Turnstile {
  readonly #waiting: (() => void)[] = []
  #free: number
  #inside = 0

  constructor(places: number) {
    this.#free = places
  }

  get inside(): number {
    return this.#inside
  }

  /** Rejects with the signal's reason where it aborts first. */
  async pass<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#enter(signal)
    this.#inside += 1
    try {
      return await work()
    } finally {
      this.#inside -= 1
      this.#leave()
    }
  }

  #enter(signal: AbortSignal): Promise<void> {
    if (signal.aborted) {
      return Promise.reject(signal.reason as Error)
    }
    if (this.#free > 0) {
      this.#free -= 1
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waved), 1)
        reject(signal.reason as Error)
      }
      const waved = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(waved)
    })
  }

  /** A place goes to whoever waits longest. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) {
      this.#free += 1
    } else {
      next()
    }
  }
}
