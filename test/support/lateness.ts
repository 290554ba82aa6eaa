import { readFileSync } from 'node:fs'

/**
 * How long this thread was kept from running, on a machine with more to do than it can. What it worked itself counts to
 * who is measured, who may be in it.
 */
export class Lateness implements Disposable {
  #lastMs = performance.now()
  #lastWorkedMs = workedMs()
  #lastWaitedMs = waitedMs()
  #worstMs = 0
  #totalMs = 0
  readonly #timer = setInterval(() => this.#look(), 10)

  /** The longest time since the last call. */
  reset(): number {
    this.#look()
    const worstMs = this.#worstMs
    this.#worstMs = 0
    return worstMs
  }

  /** All such times since it was made, one after the other; with those too short to make a timer late. */
  get totalMs(): number {
    this.#look()
    return this.#totalMs
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const nowMs = performance.now()
    const nowWorkedMs = workedMs()
    const idleMs = nowMs - this.#lastMs - (nowWorkedMs - this.#lastWorkedMs)
    this.#worstMs = Math.max(this.#worstMs, idleMs - 20)
    const nowWaitedMs = waitedMs()
    this.#totalMs += Math.max(0, idleMs - 20, nowWaitedMs - this.#lastWaitedMs)
    this.#lastMs = nowMs
    this.#lastWorkedMs = nowWorkedMs
    this.#lastWaitedMs = nowWaitedMs
  }
}

function workedMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** How long this thread was ready to run and did not, as Linux counts. */
function waitedMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}
