/** What is in use, and what was lately. */
export class UseBook {
  readonly #holders = new Map<string, number>()
  readonly #usedAtMs = new Map<string, number>()

  /** In use until the returned function is called. */
  hold(key: string): () => void {
    this.#holders.set(key, (this.#holders.get(key) ?? 0) + 1)
    let isHeld = true
    return () => {
      if (isHeld) {
        isHeld = false
        this.#release(key)
      }
    }
  }

  /** Since its last use by this process; 0 while in use. */
  idleMs(key: string): number {
    return this.#holders.has(key)
      ? 0
      : performance.now() - (this.#usedAtMs.get(key) ?? Number.NEGATIVE_INFINITY)
  }

  isHeld(key: string): boolean {
    return this.#holders.has(key)
  }

  /** What has been idle for so long is as if it had never been used. */
  forgetIdle(idleMs: number): void {
    for (const key of this.#usedAtMs.keys()) {
      if (this.idleMs(key) >= idleMs) {
        this.#usedAtMs.delete(key)
      }
    }
  }

  #release(key: string): void {
    const left = (this.#holders.get(key) ?? 1) - 1
    this.#usedAtMs.set(key, performance.now())
    if (left === 0) {
      this.#holders.delete(key)
    } else {
      this.#holders.set(key, left)
    }
  }
}
