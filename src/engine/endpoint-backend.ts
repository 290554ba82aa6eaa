import { setTimeout as delay } from 'node:timers/promises'
import { createEngineClient } from './http-client.ts'
import { probe } from './probe.ts'
import type { FoundEngine } from './probe.ts'
import { StateCell } from './state-cell.ts'
import type { Engine, EngineAddress, EngineState } from './types.ts'

export interface EndpointEngineOptions {
  readonly name: string
  readonly address: EngineAddress
  readonly servedModelName: string
  /** Where that server sees the content store; undefined: under the same path as we. */
  readonly adapterRoot: string | undefined
  readonly pollMs?: number
  /** Unanswered polls in a row before a ready engine counts as gone: a long prefill may hold an answer back. */
  readonly toleratedMisses?: number
  /** Who restarts it when we ask for that; undefined: nobody. */
  readonly restarter?: EngineRestarter
}

/** Has an engine restarted by whoever runs it. */
export interface EngineRestarter {
  /** From now on it is to be restarted, and why. */
  want(reason: string): void
  /** Another process stands there, or nobody did it in time. */
  settled(): void
  /** How long is waited for that. */
  readonly limitMs: number
}

/** An engine somebody else runs: we ask how it is, and restart it only through a `restarter`. */
export function createEndpointEngine(options: EndpointEngineOptions): Engine {
  return new EndpointEngine(options)
}

class EndpointEngine implements Engine {
  readonly name: string
  readonly address: EngineAddress
  readonly servedModelName: string
  readonly adapterRoot: string | undefined
  readonly #options: EndpointEngineOptions
  readonly #cell = new StateCell()
  #stopping: AbortController | undefined
  #polling: Promise<void> = Promise.resolve()
  #startTime: number | undefined
  #misses = 0
  #onRestart: ((restarted: boolean) => void) | undefined

  constructor(options: EndpointEngineOptions) {
    this.name = options.name
    this.address = options.address
    this.servedModelName = options.servedModelName
    this.adapterRoot = options.adapterRoot
    this.#options = options
  }

  get state(): EngineState {
    return this.#cell.state
  }

  watch(onState: (state: EngineState) => void): () => void {
    return this.#cell.watch(onState)
  }

  start(): void {
    if (this.#stopping === undefined) {
      this.#stopping = new AbortController()
      this.#cell.set({ state: 'Starting', detail: 'asking for its models' })
      this.#polling = this.#poll(this.#stopping.signal)
    }
  }

  async restart(reason: string): Promise<boolean> {
    const { restarter } = this.#options
    if (restarter === undefined) {
      return false
    }
    const restarted = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => restarted.resolve(false), restarter.limitMs)
    this.#onRestart = restarted.resolve
    restarter.want(reason)
    try {
      return await restarted.promise
    } finally {
      clearTimeout(timer)
      this.#onRestart = undefined
      restarter.settled()
    }
  }

  async stop(): Promise<void> {
    this.#stopping?.abort()
    this.#onRestart?.(false)
    await this.#polling
    this.#stopping = undefined
    this.#cell.set({ state: 'Stopped' })
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const client = createEngineClient(this.address)
    const { pollMs = 1_000, toleratedMisses = 3 } = this.#options
    try {
      while (!signal.aborted) {
        const found = await probe(client, this.servedModelName, signal)
        if (found.found === 'Engine') {
          this.#isThere(found)
        } else if (found.found === 'TooOld') {
          this.#cell.set({ state: 'Failed', reason: 'EngineTooOld', message: found.message })
        } else if (found.found === 'Stranger') {
          this.#cell.set({ state: 'Failed', reason: 'WrongEngine', message: found.message })
        } else {
          this.#missed(found.message, toleratedMisses, pollMs)
        }
        await delay(pollMs, undefined, { signal })
      }
    } catch (error) {
      if (!signal.aborted) {
        throw error
      }
    } finally {
      await client.close()
    }
  }

  #isThere(found: FoundEngine): void {
    const { version, simulated, startTimeSeconds } = found
    // Without a start time, one that was away is another one.
    const isAnother =
      startTimeSeconds === undefined ? this.#misses > 0 : startTimeSeconds !== this.#startTime
    if (isAnother) {
      this.#onRestart?.(true)
    }
    if (this.state.state === 'Ready' && startTimeSeconds !== this.#startTime) {
      // I2: another process stands there with none of what was proved; watchers must see the break.
      this.#cell.set({ state: 'Restarting', detail: 'It was restarted.', retryInMs: 0 })
    }
    this.#startTime = startTimeSeconds
    this.#misses = 0
    this.#cell.set({ state: 'Ready', version, simulated })
  }

  #missed(message: string, tolerated: number, pollMs: number): void {
    this.#misses += 1
    if (this.state.state === 'Ready' && this.#misses < tolerated) {
      return
    }
    this.#cell.set({ state: 'Restarting', detail: message, retryInMs: pollMs })
  }
}
