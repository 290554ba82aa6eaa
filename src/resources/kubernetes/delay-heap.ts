interface Delayed {
  readonly key: string
  readonly atMs: number
}

/** Keys by the time they are due, the earliest on top. Entries are not removed but passed over: see `WorkQueue`. */
export class DelayHeap {
  readonly #items: Delayed[] = []

  get top(): Delayed | undefined {
    return this.#items[0]
  }

  push(item: Delayed): void {
    const items = this.#items
    items.push(item)
    let index = items.length - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (this.#at(parent) <= this.#at(index)) {
        return
      }
      this.#swap(parent, index)
      index = parent
    }
  }

  pop(): Delayed | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (items.length === 0 || last === undefined) {
      return top
    }
    items[0] = last
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const least = [left, left + 1].reduce(
        (best, child) => (this.#at(child) < this.#at(best) ? child : best),
        index,
      )
      if (least === index) {
        return top
      }
      this.#swap(least, index)
      index = least
    }
  }

  #at(index: number): number {
    return this.#items[index]?.atMs ?? Infinity
  }

  #swap(a: number, b: number): void {
    const [x, y] = [this.#items[a], this.#items[b]]
    if (x !== undefined && y !== undefined) {
      this.#items[a] = y
      this.#items[b] = x
    }
  }
}
