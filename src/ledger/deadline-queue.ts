interface Entry<T> {
  readonly atMs: number
  readonly item: T
}

/** A binary heap: whose time comes first, comes out first. */
export class DeadlineQueue<T> {
  readonly #entries: Entry<T>[] = []

  push(atMs: number, item: T): void {
    const entries = this.#entries
    const added = { atMs, item }
    let at = entries.length
    entries.push(added)
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = entries[above]
      if (parent === undefined || parent.atMs <= atMs) {
        break
      }
      entries[at] = parent
      at = above
    }
    entries[at] = added
  }

  /** The next item whose time has come. */
  popDue(nowMs: number): T | undefined {
    const first = this.#entries[0]
    if (first === undefined || first.atMs > nowMs) {
      return undefined
    }
    const last = this.#entries.pop()
    if (last !== undefined && last !== first) {
      this.#sinkFromTop(last)
    }
    return first.item
  }

  #sinkFromTop(moved: Entry<T>): void {
    const entries = this.#entries
    let at = 0
    for (;;) {
      const left = entries[2 * at + 1]
      const right = entries[2 * at + 2]
      if (left === undefined) {
        break
      }
      const isRight = right !== undefined && right.atMs < left.atMs
      const child = isRight ? right : left
      if (child.atMs >= moved.atMs) {
        break
      }
      entries[at] = child
      at = 2 * at + (isRight ? 2 : 1)
    }
    entries[at] = moved
  }
}
