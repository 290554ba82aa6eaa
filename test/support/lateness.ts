/** How long this process was kept from running, on a machine with more to do than it can: no time of who is measured. */
export class Lateness implements Disposable {
  #lastMs = performance.now()
  #worstMs = 0
  readonly #timer = setInterval(() => this.#look(), 10)

  /** The longest time since the last call. */
  reset(): number {
    this.#look()
    const worstMs = this.#worstMs
    this.#worstMs = 0
    return worstMs
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const nowMs = performance.now()
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#lastMs - 20)
    this.#lastMs = nowMs
  }
}
