export interface RescanTimerOptions {
  readonly quietMs: number
  readonly rescanMs: number
  readonly rescan: () => Promise<void>
}

/** However busy the folder is, a change waits no longer than so many quiet times. */
const maxQuietTimes = 10

/** When to look at the folder again: after a change and some quiet, when asked to, and every so often. */
export class RescanTimer {
  readonly #options: RescanTimerOptions
  readonly #timers = new Set<NodeJS.Timeout>()
  #quiet: NodeJS.Timeout | undefined
  readonly #endPauses = new Set<() => void>()
  #firstChangeMs: number | undefined
  #isStopped = false

  constructor(options: RescanTimerOptions) {
    this.#options = options
  }

  /** Begins the slow round. */
  start(): void {
    this.#later(this.#options.rescanMs, () => {
      void this.#run().then(() => {
        this.start()
      })
    })
  }

  /** Something may have changed. */
  changed(): void {
    const { quietMs } = this.#options
    this.#firstChangeMs ??= performance.now()
    const leftMs = this.#firstChangeMs + maxQuietTimes * quietMs - performance.now()
    this.#cancel(this.#quiet)
    this.#quiet = this.#later(Math.max(0, Math.min(quietMs, leftMs)), () => {
      this.#firstChangeMs = undefined
      void this.#run()
    })
  }

  /** Once more after a while, whatever else happens. */
  again(afterMs: number): void {
    this.#later(afterMs, () => {
      void this.#run()
    })
  }

  /** Ends early when the timer is stopped. */
  pause(forMs: number): Promise<void> {
    return new Promise((done) => {
      const end = (): void => {
        this.#endPauses.delete(end)
        done()
      }
      if (this.#later(forMs, end) === undefined) {
        done()
      } else {
        this.#endPauses.add(end)
      }
    })
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of this.#timers) {
      clearTimeout(timer)
    }
    this.#timers.clear()
    for (const end of this.#endPauses) {
      end()
    }
  }

  async #run(): Promise<void> {
    if (!this.#isStopped) {
      await this.#options.rescan()
    }
  }

  #later(delayMs: number, action: () => void): NodeJS.Timeout | undefined {
    if (this.#isStopped) {
      return undefined
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      action()
    }, delayMs)
    this.#timers.add(timer)
    return timer
  }

  #cancel(timer: NodeJS.Timeout | undefined): void {
    if (timer !== undefined) {
      clearTimeout(timer)
      this.#timers.delete(timer)
    }
  }
}
