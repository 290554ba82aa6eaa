export interface Timer {
  cancel(): void
}

/** Time as the agent sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds that never go back. */
  now(): number
  after(delayMs: number, callback: () => void): Timer
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}
