interface Entry {
  readonly atMs: number
  readonly key: string
  readonly amount: number
}

/** Sums by key over the last `windowMs`; a key without entries is not there. */
export class RecentSums {
  readonly #windowMs: number
  readonly #sums = new Map<string, number>()
  #entries: Entry[] = []
  #first = 0

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  add(key: string, amount: number, nowMs: number): void {
    this.#entries.push({ atMs: nowMs, key, amount })
    this.#sums.set(key, (this.#sums.get(key) ?? 0) + amount)
  }

  sums(nowMs: number): ReadonlyMap<string, number> {
    this.#forget(nowMs - this.#windowMs)
    return this.#sums
  }

  #forget(beforeMs: number): void {
    for (
      let entry = this.#entries[this.#first];
      entry !== undefined && entry.atMs < beforeMs;
      entry = this.#entries[this.#first]
    ) {
      this.#first += 1
      this.#take(entry)
    }
    // Half of the list is past: drop that, so that a long tape does not keep all of it.
    if (this.#first > 1000 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first)
      this.#first = 0
    }
  }

  #take({ key, amount }: Entry): void {
    const left = (this.#sums.get(key) ?? 0) - amount
    // Amounts are whole numbers, so nothing is left of a key that has no entries.
    if (left > 0) {
      this.#sums.set(key, left)
    } else {
      this.#sums.delete(key)
    }
  }
}
