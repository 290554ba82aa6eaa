import { setTimeout as delay } from 'node:timers/promises'
import type {
  AgentLink,
  DesiredAnswer,
  DesiredRequest,
  EnsureAnswer,
  LeaseAnswer,
  LeaseRequest,
  StateMessage,
} from '../api/agent-protocol.ts'
import {
  agentRoutes,
  drainPollMs,
  keepAliveMs,
  replicaHeader,
  type DrainAnswer,
} from './agent-routes.ts'
import { BearerPool, type Call } from './bearer-pool.ts'
import { jsonLines } from './json-lines.ts'
import { StateMirror } from './state-mirror.ts'
import { WireError } from './wire-error.ts'

export interface AgentLinkOptions {
  /** Whom we mean: `replicaNameOf` of its pod. */
  readonly replica: string
  /** `http://10.0.3.7:8100`. */
  readonly url: string
  /** `agentToken` of its pool. */
  readonly token: string
  /** A stream that is away for so long makes the replica not ready; 5 s. */
  readonly lostAfterMs?: number
  /** For one answer; 3 s: a lease is of no use after its TTL. */
  readonly timeoutMs?: number
  readonly firstRetryMs?: number
  readonly lastRetryMs?: number
}

/** An agent over HTTP. Calls throw `WireError`. */
export interface RemoteAgentLink extends AgentLink {
  /** Takes a drain back: another pod went instead. */
  undrain(): Promise<void>
  close(): Promise<void>
}

/** Connects when somebody watches, and again for as long as somebody does. */
export function createAgentLink(options: AgentLinkOptions): RemoteAgentLink {
  return new HttpAgentLink(options)
}

class HttpAgentLink implements RemoteAgentLink {
  readonly replica: string
  readonly #options: Required<AgentLinkOptions>
  readonly #calls: BearerPool
  readonly #streams: BearerPool
  readonly #mirror = new StateMirror()
  readonly #closing = new AbortController()
  #following: Promise<void> | undefined
  #lostTimer: NodeJS.Timeout | undefined

  constructor(options: AgentLinkOptions) {
    this.replica = options.replica
    this.#options = {
      lostAfterMs: 5000,
      timeoutMs: 3000,
      firstRetryMs: 100,
      lastRetryMs: 5000,
      ...options,
    }
    const shared = {
      url: options.url,
      token: options.token,
      headers: { [replicaHeader]: options.replica },
      timeoutMs: this.#options.timeoutMs,
    }
    this.#calls = new BearerPool({ ...shared, connections: 8 })
    this.#streams = new BearerPool({ ...shared, connections: 1 })
  }

  setDesired(request: DesiredRequest): Promise<DesiredAnswer> {
    // A catalogue of 20,000 takes the agent a moment.
    return this.#json({
      method: 'PUT',
      path: agentRoutes.desired,
      body: request,
      timeoutMs: 10_000,
    })
  }

  ensure(revision: string): Promise<EnsureAnswer> {
    return this.#json({ method: 'POST', path: agentRoutes.ensure(revision) })
  }

  lease(request: LeaseRequest): Promise<LeaseAnswer> {
    return this.#json({ method: 'POST', path: agentRoutes.lease, body: request })
  }

  /** In questions of bounded length: a connection that says nothing for an hour may be cut on its way. */
  async drain(): Promise<void> {
    for (;;) {
      const { drained, takenBack } = await this.#json<DrainAnswer>({
        method: 'POST',
        path: agentRoutes.drain,
        timeoutMs: drainPollMs + this.#options.timeoutMs,
        signal: this.#closing.signal,
      })
      if (drained) {
        return
      }
      if (takenBack) {
        throw new WireError('Refused', `The drain of ${this.replica} was taken back.`)
      }
    }
  }

  async undrain(): Promise<void> {
    await this.#json({ method: 'DELETE', path: agentRoutes.drain })
  }

  watchState(onMessage: (message: StateMessage) => void): () => void {
    const unwatch = this.#mirror.watch(onMessage)
    this.#following ??= this.#follow()
    return unwatch
  }

  async close(): Promise<void> {
    this.#closing.abort()
    clearTimeout(this.#lostTimer)
    await Promise.all([this.#calls.close(), this.#streams.close()])
    await this.#following
  }

  async #json<T>(call: Call): Promise<T> {
    const { status, text } = await this.#calls.call(call)
    if (status === 421) {
      throw new WireError('Stranger', `Another replica answers at ${this.#options.url}.`, status)
    }
    if (status < 200 || status >= 300) {
      const words = `The agent of ${this.replica} answered ${status}: ${text.slice(0, 200)}`
      throw new WireError('Refused', words, status)
    }
    try {
      // The other end is this program too; what it says has these types.
      return JSON.parse(text) as T
    } catch (error) {
      throw new WireError('BadAnswer', 'The agent answered no JSON.', status, error)
    }
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing
    const { firstRetryMs, lastRetryMs } = this.#options
    let failures = 0
    this.#away('Its agent has not been heard yet.', this.#options.lostAfterMs)
    while (!signal.aborted) {
      try {
        await this.#read(signal, () => {
          failures = 0
        })
      } catch (error) {
        if (signal.aborted) {
          return
        }
        this.#lost(error)
      }
      const backoffMs = Math.min(firstRetryMs * 2 ** Math.min(failures, 20), lastRetryMs)
      failures += 1
      // Not all gateways at once when an agent comes back.
      await delay(backoffMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(
        () => undefined,
      )
    }
  }

  async #read(signal: AbortSignal, onHello: () => void): Promise<void> {
    const silenceMs = 2 * keepAliveMs
    const { statusCode, body } = await this.#streams.stream(agentRoutes.state, silenceMs, signal)
    // Destroyed below, it has an error of its own that nobody waits for.
    body.on('error', () => undefined)
    try {
      if (statusCode === 421) {
        throw new WireError('Stranger', 'Another replica answers at its address.', statusCode)
      }
      if (statusCode !== 200) {
        throw new WireError('Refused', `Its agent answers ${statusCode}.`, statusCode)
      }
      for await (const value of jsonLines(body)) {
        const message = value as StateMessage
        if (message.type === 'hello' && message.replica !== this.replica) {
          throw new WireError('Stranger', 'Another replica answers at its address.')
        }
        this.#heard()
        this.#mirror.take(message)
        if (message.type === 'hello') {
          onHello()
        }
      }
      throw new WireError('Unreachable', 'Its agent ended the stream.')
    } finally {
      body.destroy()
      this.#mirror.cut()
    }
  }

  #heard(): void {
    clearTimeout(this.#lostTimer)
    this.#lostTimer = undefined
  }

  #lost(error: unknown): void {
    const stranger = error instanceof WireError && error.code === 'Stranger'
    const detail = error instanceof WireError ? error.message : 'Its agent is not heard any more.'
    const silent = (error as NodeJS.ErrnoException).code === 'UND_ERR_BODY_TIMEOUT'
    // A stranger is certain at once, and a connection that said nothing has been lost for long.
    this.#away(detail, stranger || silent ? 0 : this.#options.lostAfterMs)
  }

  #away(detail: string, afterMs: number): void {
    if (afterMs === 0) {
      this.#heard()
      this.#mirror.silence(detail)
    } else {
      this.#lostTimer ??= setTimeout(() => {
        this.#mirror.silence(detail)
      }, afterMs).unref()
    }
  }
}
