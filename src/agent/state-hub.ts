import type { StateMessage } from '../api/agent-protocol.ts'
import type { Logger } from './logger.ts'

type Listener = (message: StateMessage) => void

/** Who follows the state stream. Each listener gets every message in order, whatever it or another one does meanwhile. */
export class StateHub {
  readonly #replay: () => readonly StateMessage[]
  readonly #logger: Logger
  readonly #followers = new Set<Follower>()

  /** `replay` is hello and the whole present state. */
  constructor(replay: () => readonly StateMessage[], logger: Logger) {
    this.#replay = replay
    this.#logger = logger
  }

  watch(listener: Listener): () => void {
    const follower = new Follower(listener, this.#logger)
    this.#followers.add(follower)
    follower.deliver(this.#replay())
    return () => {
      this.#followers.delete(follower)
      follower.end()
    }
  }

  publish(message: StateMessage): void {
    for (const follower of this.#followers) {
      follower.deliver([message])
    }
  }

  publishAll(): void {
    for (const follower of this.#followers) {
      follower.deliver(this.#replay())
    }
  }

  close(): void {
    for (const follower of this.#followers) {
      follower.end()
    }
    this.#followers.clear()
  }
}

class Follower {
  readonly #listener: Listener
  readonly #logger: Logger
  #queue: StateMessage[] = []
  #delivering = false
  #ended = false

  constructor(listener: Listener, logger: Logger) {
    this.#listener = listener
    this.#logger = logger
  }

  /** A listener that calls us back publishes more while it is called: that comes after what is queued already. */
  deliver(messages: readonly StateMessage[]): void {
    this.#queue.push(...messages)
    if (this.#delivering) {
      return
    }
    this.#delivering = true
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.#call(next)
    }
    this.#delivering = false
  }

  end(): void {
    this.#ended = true
    this.#queue = []
  }

  #call(message: StateMessage): void {
    if (this.#ended) {
      return
    }
    try {
      this.#listener(message)
    } catch (error) {
      this.#logger.error({ err: error, type: message.type }, 'a listener of the state stream threw')
    }
  }
}
