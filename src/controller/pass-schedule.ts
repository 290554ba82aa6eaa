/**
 * When the next pass may run: at once after a quiet time, and never more than a fifth of the time where passes are long
 * (ten thousand adapters). Any number of kicks make one pass.
 */
export class PassSchedule {
  readonly #pass: () => Promise<void>
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #isRunning = false
  /** Kicked while a pass was under way, which may have looked before what the kick is about. */
  #isStale = false
  #notBeforeMs = 0
  #closed = false

  constructor(pass: () => Promise<void>, now: () => number = () => performance.now()) {
    this.#pass = pass
    this.#now = now
  }

  kick(): void {
    if (this.#isRunning) {
      this.#isStale = true
      return
    }
    if (this.#closed || this.#timer !== undefined || this.#immediate !== undefined) {
      return
    }
    const waitMs = this.#notBeforeMs - this.#now()
    if (waitMs <= 0) {
      this.#immediate = setImmediate(() => void this.#run())
    } else {
      this.#timer = setTimeout(() => void this.#run(), waitMs)
    }
  }

  /** A pass that is under way has to notice by itself. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
  }

  async #run(): Promise<void> {
    this.#timer = undefined
    this.#immediate = undefined
    this.#isRunning = true
    this.#isStale = false
    const startMs = this.#now()
    try {
      await this.#pass()
    } finally {
      this.#isRunning = false
      const endMs = this.#now()
      this.#notBeforeMs = endMs + gapMs(endMs - startMs)
    }
    if (this.#isStale) {
      this.kick()
    }
  }
}

const shortPassMs = 3
const longestGapMs = 2000

function gapMs(passMs: number): number {
  return passMs < shortPassMs ? 0 : Math.min(4 * passMs, longestGapMs)
}
