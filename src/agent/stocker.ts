import type { AdapterLedger } from './adapter-ledger.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'
import type { AdapterShelf } from './options.ts'
import { pause } from './pause.ts'

export interface StockerOptions {
  readonly ledger: AdapterLedger
  readonly adapters: AdapterShelf
  readonly clock: Clock
  readonly logger: Logger
  readonly firstRetryMs: number
  readonly lastRetryMs: number
  /** What was missing is here. */
  onArrived(): void
}

/** More would only share the same wire. */
const maxFetches = 4

/** Brings files near before the engine is to read them: a load stalls every stream of the replica (DESIGN 2.6). */
export class Stocker {
  readonly #options: StockerOptions
  readonly #closing = new AbortController()
  /** One for each digest, until it is here or nobody wants it. */
  readonly #coming = new Map<string, Promise<void>>()
  readonly #waiting: (() => void)[] = []
  #running = 0
  #looking: Promise<void> = Promise.resolve()

  constructor(options: StockerOptions) {
    this.#options = options
  }

  /** After a new catalogue: learns what is here, so that the state stream can say so, and fetches what shall be. */
  look(): void {
    this.#looking = this.#looking.then(() => this.#look())
  }

  /** It shall be loaded and is not here. False: nobody brings it. */
  need(revision: string): boolean {
    const { ledger, adapters } = this.#options
    const digest = ledger.get(revision)?.digest
    if (digest === undefined || adapters.fetch === undefined || this.#closing.signal.aborted) {
      return false
    }
    if (!this.#coming.has(digest)) {
      ledger.setComing(digest, true)
      const work = this.#bring(digest).finally(() => this.#coming.delete(digest))
      this.#coming.set(digest, work)
    }
    return true
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const wake of this.#waiting.splice(0)) {
      wake()
    }
    await this.#looking
    await Promise.all(this.#coming.values())
  }

  async #look(): Promise<void> {
    const { ledger, adapters, logger } = this.#options
    for (const { revision, digest, stored, want } of Array.from(ledger.records)) {
      if (this.#closing.signal.aborted) {
        return
      }
      if (digest === undefined || stored !== undefined) {
        continue
      }
      try {
        const found = await adapters.get(digest)
        ledger.stored(revision, found)
        if (found === undefined && (want === 'Loaded' || want === 'OnDisk')) {
          this.need(revision)
        }
      } catch (error) {
        logger.warn({ err: error, revision }, 'the content store did not answer')
      }
    }
  }

  async #bring(digest: string): Promise<void> {
    const { ledger, clock, logger, firstRetryMs, lastRetryMs } = this.#options
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted && ledger.isNamed(digest); attempt += 1) {
      try {
        if (await this.#fetch(digest)) {
          break
        }
      } catch (error) {
        if (!signal.aborted) {
          logger.error({ err: error, digest }, 'files of an adapter were not fetched')
        }
      }
      const retryMs = Math.min(firstRetryMs * 2 ** Math.min(attempt, 30), lastRetryMs)
      await pause(clock, retryMs, signal)
    }
    ledger.setComing(digest, false)
    if (!signal.aborted) {
      this.#options.onArrived()
    }
  }

  async #fetch(digest: string): Promise<boolean> {
    const { ledger, adapters, logger } = this.#options
    const { signal } = this.#closing
    await this.#enter()
    try {
      const outcome = signal.aborted ? undefined : await adapters.fetch?.(digest, signal)
      if (outcome?.outcome === 'Stored') {
        ledger.arrived(digest, outcome.adapter)
        return true
      }
      if (outcome !== undefined) {
        const { reason, message } = outcome.problem
        logger.warn({ digest, reason, detail: message }, 'files of an adapter were not fetched')
        ledger.notFetched(digest, { reason, message, permanent: false })
      }
      return false
    } finally {
      this.#running -= 1
      this.#waiting.shift()?.()
    }
  }

  async #enter(): Promise<void> {
    while (this.#running >= maxFetches && !this.#closing.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
    this.#running += 1
  }
}
