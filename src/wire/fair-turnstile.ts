/**
 * Lets so many in at once, and by turns those who wait for different groups. A group comes in while it holds fewer
 * places than are free: alone it has half of them, and whoever else comes finds one. Groups of one each come in as they came.
 */
export class FairTurnstile {
  /** The next group first. */
  readonly #waiting = new Map<string, (() => void)[]>()
  readonly #held = new Map<string, number>()
  readonly #places: number
  #free: number

  constructor(places: number) {
    this.#places = places
    this.#free = places
  }

  get inside(): number {
    return this.#places - this.#free
  }

  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, queue) => sum + queue.length, 0)
  }

  /** Rejects with the signal's reason where it aborts first. */
  async pass<T>(group: string, work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#enter(group, signal)
    try {
      return await work()
    } finally {
      this.#leave(group)
    }
  }

  #enter(group: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) {
      return Promise.reject(signal.reason as Error)
    }
    if (this.#mayEnter(group)) {
      this.#take(group)
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(group) ?? []
      const onAbort = (): void => {
        queue.splice(queue.indexOf(waved), 1)
        this.#dropIfEmpty(group, queue)
        reject(signal.reason as Error)
      }
      const waved = (): void => {
        signal.removeEventListener('abort', onAbort)
        this.#take(group)
        resolve()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      queue.push(waved)
      this.#waiting.set(group, queue)
    })
  }

  #leave(group: string): void {
    this.#free += 1
    const held = (this.#held.get(group) ?? 1) - 1
    if (held === 0) {
      this.#held.delete(group)
    } else {
      this.#held.set(group, held)
    }
    while (this.#admitNext()) {
      // As many as there are places for.
    }
  }

  /** Of each group whoever waits longest; a group that was let in is behind the others then. */
  #admitNext(): boolean {
    const turn = [...this.#waiting].find(([group]) => this.#mayEnter(group))
    if (turn === undefined) {
      return false
    }
    const [group, queue] = turn
    queue.shift()?.()
    this.#waiting.delete(group)
    this.#waiting.set(group, queue)
    this.#dropIfEmpty(group, queue)
    return true
  }

  #mayEnter(group: string): boolean {
    return (this.#held.get(group) ?? 0) < this.#free
  }

  #take(group: string): void {
    this.#free -= 1
    this.#held.set(group, (this.#held.get(group) ?? 0) + 1)
  }

  #dropIfEmpty(group: string, queue: readonly unknown[]): void {
    if (queue.length === 0) {
      this.#waiting.delete(group)
    }
  }
}
