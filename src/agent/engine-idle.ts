import { Bell } from './bell.ts'
import type { Clock } from './clock.ts'

/** Waits until the engine says that nothing runs or waits in it, which is also said of an engine that is gone. */
export class EngineIdle {
  readonly #clock: Clock
  readonly #waiters = new Set<Bell>()
  #requests = 0
  #notedAtMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  note(requests: number): void {
    this.#requests = requests
    this.#notedAtMs = this.#clock.now()
    for (const bell of this.#waiters) {
      bell.ring()
    }
  }

  /** `sinceMs`: what was noted before does not count, unless the engine has long been gone. */
  async wait(sinceMs: number, untilMs: number, signal: AbortSignal): Promise<void> {
    const bell = new Bell(this.#clock)
    const ring = (): void => bell.ring()
    this.#waiters.add(bell)
    signal.addEventListener('abort', ring)
    try {
      while (!signal.aborted && this.#clock.now() < untilMs && !this.#isIdle(sinceMs)) {
        await bell.wait(Math.min(untilMs - this.#clock.now(), 1000))
      }
    } finally {
      this.#waiters.delete(bell)
      signal.removeEventListener('abort', ring)
    }
  }

  #isIdle(sinceMs: number): boolean {
    const silentMs = this.#clock.now() - this.#notedAtMs
    return this.#requests === 0 && (this.#notedAtMs >= sinceMs || silentMs > goneAfterMs)
  }
}

/** Metrics come every half a second from an engine that is there. */
const goneAfterMs = 5000
