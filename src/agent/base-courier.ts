import type { Readable } from 'node:stream'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

export interface BaseCourierOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Undefined while there is no checkpoint to read. */
  read(): Promise<Readable | undefined>
  send(tar: Readable, signal: AbortSignal): Promise<void>
}

const firstRetryMs = 1000
const lastRetryMs = 60_000

/** Sends the depot what preflight needs of the base, once; until then adapters are only judged by themselves. */
export class BaseCourier {
  readonly #options: BaseCourierOptions
  readonly #closing = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: BaseCourierOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { logger } = this.#options
    const { signal } = this.#closing
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        const tar = await this.#options.read()
        if (tar !== undefined) {
          await this.#options.send(tar, signal)
          logger.info({}, 'the depot has the headers of the base')
          return
        }
        if (attempt === 0) {
          logger.warn({}, 'the base is not readable here: adapters are judged without it')
        }
      } catch (error) {
        if (!signal.aborted) {
          const detail = error instanceof Error ? error.message : ''
          logger.warn({ detail }, 'the headers of the base did not reach the depot')
        }
      }
      await this.#pause(Math.min(firstRetryMs * 2 ** Math.min(attempt, 20), lastRetryMs))
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#closing
    if (signal.aborted) {
      return
    }
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = this.#options.clock.after(ms, done)
      signal.addEventListener('abort', done)
    })
  }
}
