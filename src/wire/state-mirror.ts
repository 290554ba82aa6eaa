import type {
  HelloMessage,
  LoadMessage,
  ResidencyMessage,
  StateMessage,
} from '../api/agent-protocol.ts'
import { followActivity } from '../api/follow-activity.ts'

type Watcher = (message: StateMessage) => void

const unknownLoad: LoadMessage = {
  type: 'load',
  ready: false,
  detail: '',
  draining: false,
  running: 0,
  waiting: 0,
  kvCacheUsage: 0,
  slots: { total: 0, used: 0 },
}

/**
 * What an agent's state stream said last, for watchers that come later than it did. A whole state, hello to load, is
 * handed on at once: between a hello and the rest of it, nothing would seem routable.
 */
export class StateMirror {
  readonly #watchers = new Set<Watcher>()
  readonly #residencies = new Map<string, ResidencyMessage>()
  readonly #active = new Set<string>()
  #hello: HelloMessage | undefined
  #load: LoadMessage | undefined
  /** A whole state on its way. */
  #gathering: StateMessage[] | undefined

  get watched(): boolean {
    return this.#watchers.size > 0
  }

  watch(onMessage: Watcher): () => void {
    const watcher: Watcher = (message) => onMessage(message)
    this.#watchers.add(watcher)
    for (const message of this.#whole()) {
      watcher(message)
    }
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  take(message: StateMessage): void {
    if (message.type === 'hello') {
      this.#gathering = [message]
      return
    }
    if (this.#gathering === undefined) {
      this.#deliver(message)
      return
    }
    this.#gathering.push(message)
    if (message.type === 'load') {
      const whole = this.#gathering
      this.#gathering = undefined
      for (const part of whole) {
        this.#deliver(part)
      }
    }
  }

  /** The stream broke off: half a state is none. */
  cut(): void {
    this.#gathering = undefined
  }

  /**
   * Nothing is heard of it: not ready, whatever it said before. What ran when it was last heard may still run: a replica
   * does not look idle because its agent died (I4).
   */
  silence(detail: string): void {
    this.#deliver({ ...(this.#load ?? unknownLoad), ready: false, detail })
  }

  #deliver(message: StateMessage): void {
    this.#keep(message)
    for (const watcher of this.#watchers) {
      watcher(message)
    }
  }

  #keep(message: StateMessage): void {
    switch (message.type) {
      case 'hello':
        this.#hello = message
        this.#residencies.clear()
        this.#active.clear()
        return
      case 'residency':
        if (message.residency.state === 'Absent') {
          this.#residencies.delete(message.revision)
        } else {
          this.#residencies.set(message.revision, message)
        }
        return
      case 'activity':
        followActivity(this.#active, message)
        return
      case 'load':
        this.#load = message
        return
      case 'slots':
        return
      default:
        message satisfies never
    }
  }

  #whole(): readonly StateMessage[] {
    const began = [...this.#active]
    const activity: StateMessage | undefined =
      began.length === 0 ? undefined : { type: 'activity', began, ended: [] }
    return [this.#hello, ...this.#residencies.values(), activity, this.#load].filter(
      (message) => message !== undefined,
    )
  }
}
