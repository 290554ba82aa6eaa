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
}

/** An engine somebody else runs: we ask how it is, and cannot restart it. */
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

  async restart(): Promise<boolean> {
    return false
  }

  async stop(): Promise<void> {
    this.#stopping?.abort()
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
