import type { UsageRecord, UsageStore } from './types.ts'

export interface UsageWriterOptions {
  /** More than this is lost. */
  readonly maxWaiting: number
  /** A store that runs on the event loop holds it up for so many records at once. */
  readonly batchSize: number
  readonly everyMs: number
  readonly log: (message: string) => void
}

const defaults: Omit<UsageWriterOptions, 'log'> = {
  maxWaiting: 50_000,
  batchSize: 100,
  everyMs: 250,
}

const longestPauseMs = 10_000

/**
 * Hands records to the store in batches, beside the traffic (I11). While the store is away they wait, up to a bound; what is
 * above it is lost, and counted.
 */
export class UsageWriter {
  readonly #store: UsageStore
  readonly #options: UsageWriterOptions
  #waiting: UsageRecord[] = []
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #failures = 0
  #lost = 0

  constructor(
    store: UsageStore,
    options: Partial<UsageWriterOptions> & Pick<UsageWriterOptions, 'log'>,
  ) {
    this.#store = store
    this.#options = { ...defaults, ...options }
  }

  get waiting(): number {
    return this.#waiting.length
  }

  get lost(): number {
    return this.#lost
  }

  add(record: UsageRecord): void {
    if (this.#waiting.length >= this.#options.maxWaiting) {
      this.#lost += 1
      return
    }
    this.#waiting.push(record)
    this.#schedule()
  }

  /** Writes what waits now. Rejects when the store does not take it; then it goes on waiting. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined) {
      await this.#writing.catch(() => undefined)
    }
    this.#writing = this.#writeAll().finally(() => {
      this.#writing = undefined
    })
    await this.#writing
  }

  /** Tries once more; answers how many records are lost with it. */
  async close(): Promise<number> {
    clearTimeout(this.#timer)
    await this.flush().catch((error: unknown) => this.#options.log(String(error)))
    clearTimeout(this.#timer)
    return this.#lost + this.#waiting.length
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#writing !== undefined) {
      return
    }
    const pauseMs = Math.min(this.#options.everyMs * 2 ** this.#failures, longestPauseMs)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.flush()
        .catch((error: unknown) => this.#options.log(String(error)))
        .finally(() => {
          if (this.#waiting.length > 0) {
            this.#schedule()
          }
        })
    }, pauseMs)
    this.#timer.unref()
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, this.#options.batchSize)
      try {
        await this.#store.append(batch)
      } catch (error) {
        this.#failures = Math.min(this.#failures + 1, 10)
        throw error
      }
      this.#failures = 0
      this.#waiting.splice(0, batch.length)
      // Others first: a long queue must not hold up the event loop.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}
