import type { ServerResponse } from 'node:http'
import type { AgentLink, StateMessage } from '../../api/agent-protocol.ts'
import { keepAliveMs } from '../../wire/agent-routes.ts'

export interface StateStreamOptions {
  readonly keepAliveMs?: number
  /** Bytes that may wait for a slow reader before it has to begin again. */
  readonly maxBufferedBytes?: number
  /** A reader that takes nothing for so long is cut off. */
  readonly stalledMs?: number
}

/**
 * The state stream as lines. A reader that falls behind loses the changes it did not take and gets the whole state
 * once it can take something again: what waits for it is bounded by one whole state.
 */
export class StateStream {
  readonly #agent: Pick<AgentLink, 'watchState'>
  readonly #out: ServerResponse
  readonly #maxBufferedBytes: number
  readonly #stalledMs: number
  readonly #keepAlive: NodeJS.Timeout
  #unwatch: (() => void) | undefined
  #stalled: NodeJS.Timeout | undefined

  constructor(
    agent: Pick<AgentLink, 'watchState'>,
    out: ServerResponse,
    options: StateStreamOptions = {},
  ) {
    this.#agent = agent
    this.#out = out
    this.#maxBufferedBytes = options.maxBufferedBytes ?? 256 * 1024
    this.#stalledMs = options.stalledMs ?? 30_000
    this.#keepAlive = setInterval(() => this.#sayAlive(), options.keepAliveMs ?? keepAliveMs)
    this.#keepAlive.unref()
    out.on('drain', () => this.#drained())
    out.on('close', () => this.#end())
    this.#begin()
  }

  #begin(): void {
    let replaying = true
    const unwatch = this.#agent.watchState((message) => this.#write(message, replaying))
    replaying = false
    if (this.#out.destroyed) {
      unwatch()
      return
    }
    this.#unwatch = unwatch
    this.#holdBack()
  }

  #write(message: StateMessage, replaying: boolean): void {
    this.#out.write(`${JSON.stringify(message)}\n`)
    if (!replaying) {
      this.#holdBack()
    }
  }

  #holdBack(): void {
    if (this.#out.writableLength > this.#maxBufferedBytes && this.#unwatch !== undefined) {
      this.#unwatch()
      this.#unwatch = undefined
      this.#stalled = setTimeout(() => this.#out.destroy(), this.#stalledMs).unref()
    }
  }

  #drained(): void {
    clearTimeout(this.#stalled)
    if (this.#unwatch === undefined && !this.#out.destroyed) {
      this.#begin()
    }
  }

  #sayAlive(): void {
    if (this.#out.writableLength === 0) {
      this.#out.write('\n')
    }
  }

  #end(): void {
    clearInterval(this.#keepAlive)
    clearTimeout(this.#stalled)
    this.#unwatch?.()
    this.#unwatch = undefined
  }
}
