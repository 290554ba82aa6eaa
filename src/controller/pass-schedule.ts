/**
 * When the next pass may run: at once after a quiet time, and never more than a fifth of the time where passes are long
 * (ten thousand adapters). Any number of kicks make one pass.
 */
export class PassSchedule {
  readonly #pass: () => void
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #notBeforeMs = 0
  #closed = false

  constructor(pass: () => void, now: () => number = () => performance.now()) {
    this.#pass = pass
    this.#now = now
  }

  kick(): void {
    if (this.#closed || this.#timer !== undefined || this.#immediate !== undefined) {
      return
    }
    const waitMs = this.#notBeforeMs - this.#now()
    if (waitMs <= 0) {
      this.#immediate = setImmediate(() => this.#run())
    } else {
      this.#timer = setTimeout(() => this.#run(), waitMs)
    }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
  }

  #run(): void {
    this.#timer = undefined
    this.#immediate = undefined
    const startMs = this.#now()
    try {
      this.#pass()
    } finally {
      const endMs = this.#now()
      this.#notBeforeMs = endMs + gapMs(endMs - startMs)
    }
  }
}

const shortPassMs = 3
const longestGapMs = 2000

function gapMs(passMs: number): number {
  return passMs < shortPassMs ? 0 : Math.min(4 * passMs, longestGapMs)
}
