export interface Timer {
  cancel(): void
}

/** Time as the queue and the leader see it; tests bring their own. */
export interface Clock {
  /** Milliseconds that never go back. */
  now(): number
  after(delayMs: number, callback: () => void): Timer
}

/** Longer timers would fire at once. */
const maxDelayMs = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.max(0, Math.min(delayMs, maxDelayMs)))
    return { cancel: () => clearTimeout(timer) }
  },
}
