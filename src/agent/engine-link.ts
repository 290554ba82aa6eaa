import type {
  Engine,
  EngineAddress,
  EngineClient,
  EngineMetrics,
  EngineState,
} from '../engine/types.ts'
import { Bell } from './bell.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

/** One life of the engine. What was proved on it holds on no other (I2). */
export interface EngineProcess {
  readonly identity: string
  readonly version: string
  readonly simulated: boolean
  /** Tokens of a prompt and its answer together; undefined where the engine did not say. */
  readonly maxModelLen: number | undefined
  readonly client: EngineClient
  /** Aborted when this life is over. */
  readonly signal: AbortSignal
}

export interface EngineLinkOptions {
  readonly engine: Engine
  createClient(address: EngineAddress): EngineClient
  readonly clock: Clock
  readonly logger: Logger
  readonly metricsEveryMs: number
  /** Called before anything is asked of the new process. */
  onUp(process: EngineProcess): void
  onDown(detail: string): void
  onMetrics(metrics: EngineMetrics): void
  /** It is said to be ready but does not answer; nothing is known to be lost. */
  onSilence(detail: string): void
}

/** Unanswered scrapes in a row before we say so. */
const toleratedMisses = 2
const retryMs = 100

/** Follows the engine from life to life: its backend's word, and `process_start_time_seconds` of its metrics. */
export class EngineLink {
  readonly #options: EngineLinkOptions
  readonly #bell: Bell
  #client: EngineClient | undefined
  #process: EngineProcess | undefined
  #life: AbortController | undefined
  #watching: AbortController | undefined
  #watches: Promise<void> = Promise.resolve()
  #unwatch: (() => void) | undefined
  #readyCount = 0

  constructor(options: EngineLinkOptions) {
    this.#options = options
    this.#bell = new Bell(options.clock)
  }

  get process(): EngineProcess | undefined {
    return this.#process
  }

  start(): void {
    this.#unwatch ??= this.#options.engine.watch((state) => this.#onState(state))
  }

  async close(): Promise<void> {
    this.#unwatch?.()
    this.#stopWatching()
    this.#life?.abort()
    this.#process = undefined
    await this.#watches
    await this.#client?.close()
  }

  /** It did not answer somebody: ask now instead of at the next poll. */
  suspect(): void {
    this.#bell.ring()
  }

  #onState(state: EngineState): void {
    if (state.state === 'Ready') {
      if (this.#watching === undefined) {
        this.#readyCount += 1
        this.#watching = new AbortController()
        const { signal } = this.#watching
        this.#watches = this.#watches.then(() => this.#watch(state, signal))
      }
      return
    }
    this.#stopWatching()
    this.#down(wordsFor(state))
  }

  #stopWatching(): void {
    this.#watching?.abort()
    this.#watching = undefined
    this.#bell.ring()
  }

  async #watch(
    state: Extract<EngineState, { state: 'Ready' }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { metricsEveryMs } = this.#options
    let misses = 0
    while (!signal.aborted) {
      const metrics = await this.#scrape(signal)
      if (signal.aborted) {
        return
      }
      if (metrics === undefined) {
        misses += 1
        if (misses === toleratedMisses) {
          this.#options.onSilence('The engine does not answer.')
        }
      } else {
        misses = 0
        await this.#identify(state, metrics, signal)
        if (signal.aborted) {
          return
        }
        this.#options.onMetrics(metrics)
      }
      await this.#bell.wait(metrics === undefined ? retryMs : metricsEveryMs)
    }
  }

  async #scrape(signal: AbortSignal): Promise<EngineMetrics | undefined> {
    try {
      return await (await this.#connect()).metrics(signal)
    } catch (error) {
      if (!signal.aborted) {
        this.#options.logger.debug({ err: error }, 'the engine gave no metrics')
      }
      return undefined
    }
  }

  async #connect(): Promise<EngineClient> {
    const { engine } = this.#options
    if (this.#client !== undefined && this.#client.address.url !== engine.address.url) {
      await this.#client.close()
      this.#client = undefined
    }
    this.#client ??= this.#options.createClient(engine.address)
    return this.#client
  }

  async #identify(
    state: Extract<EngineState, { state: 'Ready' }>,
    metrics: EngineMetrics,
    signal: AbortSignal,
  ): Promise<void> {
    // Without a start time, a new process is one that became ready anew.
    const identity = `${this.#options.engine.name}@${metrics.processStartTimeSeconds ?? `ready-${this.#readyCount}`}`
    if (this.#process?.identity === identity || this.#client === undefined) {
      return
    }
    if (this.#process !== undefined) {
      this.#down('The engine was restarted.')
    }
    const client = this.#client
    const maxModelLen = await this.#windowOf(client, signal)
    if (signal.aborted) {
      return
    }
    this.#life = new AbortController()
    this.#process = {
      identity,
      version: state.version,
      simulated: state.simulated,
      maxModelLen,
      client,
      signal: this.#life.signal,
    }
    this.#options.onUp(this.#process)
  }

  /** Of the base; it stays the same for the life of a process. Nothing fails without it. */
  async #windowOf(client: EngineClient, signal: AbortSignal): Promise<number | undefined> {
    try {
      const models = await client.models(signal)
      return models.find(({ id }) => id === this.#options.engine.servedModelName)?.maxModelLen
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the engine did not say how long prompts may be')
      return undefined
    }
  }

  #down(detail: string): void {
    this.#process = undefined
    this.#life?.abort()
    this.#life = undefined
    this.#options.onDown(detail)
  }
}

function wordsFor(state: Exclude<EngineState, { state: 'Ready' }>): string {
  switch (state.state) {
    case 'Starting':
      return `The engine starts: ${state.detail}`
    case 'Restarting':
      return `The engine restarts: ${state.detail}`
    case 'Failed':
      return `The engine failed: ${state.message}`
    case 'Stopped':
      return 'The engine is stopped.'
    default:
      return state satisfies never
  }
}
