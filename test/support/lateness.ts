/**
 * How long this thread was kept from running, on a machine with more to do than it can. What it worked itself counts to
 * who is measured, who may be in it.
 */
export class Lateness implements Disposable {
  #lastMs = performance.now()
  #lastWorkedMs = workedMs()
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

  /** All such times since it was made, one after the other. */
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
    this.#totalMs += Math.max(0, idleMs - 20)
    this.#lastMs = nowMs
    this.#lastWorkedMs = nowWorkedMs
  }
}

function workedMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
