import type { Readable } from 'node:stream'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'
import { pause } from './pause.ts'

export interface BaseCourierOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Whether the depot has it: it may have lost what it had with its cache. */
  isThere(signal: AbortSignal): Promise<boolean>
  /** Undefined while there is no checkpoint to read. */
  read(): Promise<Readable | undefined>
  send(tar: Readable, signal: AbortSignal): Promise<void>
  /** How often it is asked for; a minute. */
  readonly everyMs?: number
}

const firstRetryMs = 1000
const lastRetryMs = 60_000

/** Sees to it that the depot has what preflight needs of the base; until then adapters are only judged by themselves. */
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
    const { clock, logger, everyMs = lastRetryMs } = this.#options
    const { signal } = this.#closing
    let failures = 0
    while (!signal.aborted) {
      try {
        failures = (await this.#look(failures === 0)) ? 0 : failures + 1
      } catch (error) {
        failures += 1
        if (!signal.aborted) {
          const detail = error instanceof Error ? error.message : ''
          logger.warn({ detail }, 'the headers of the base did not reach the depot')
        }
      }
      const retryMs = firstRetryMs * 2 ** Math.min(failures - 1, 20)
      await pause(clock, failures === 0 ? everyMs : Math.min(retryMs, lastRetryMs), signal)
    }
  }

  /** False: there is nothing to send yet. */
  async #look(isFirst: boolean): Promise<boolean> {
    const options = this.#options
    const { signal } = this.#closing
    if (await options.isThere(signal)) {
      return true
    }
    const tar = await options.read()
    if (tar === undefined) {
      if (isFirst) {
        options.logger.warn({}, 'the base is not readable here: adapters are judged without it')
      }
      return false
    }
    await options.send(tar, signal)
    options.logger.info({}, 'the depot has the headers of the base')
    return true
  }
}
