interface Count {
  total: number
  totalBefore: number
}

/**
 * Requests that came to the queue of one pool for each revision since the process started; `undefined` is the base.
 * Revisions that nobody asks for any more are counted together, so that the sum of all never falls.
 */
export class Arrivals {
  readonly #counts = new Map<string | undefined, Count>()
  #others = 0

  /** On the path of every request. */
  note(revision: string | undefined): void {
    const known = this.#counts.get(revision)
    if (known === undefined) {
      this.#counts.set(revision, { total: 1, totalBefore: 0 })
    } else {
      known.total += 1
    }
  }

  *byRevision(): Iterable<readonly [revision: string | undefined, total: number]> {
    for (const [revision, { total }] of this.#counts) {
      yield [revision, total]
    }
  }

  /** Of revisions that are not named; one that is asked for again begins anew. */
  get others(): number {
    return this.#others
  }

  /** Revisions without a request since the last turn are not named from now on. */
  turn(): void {
    for (const [revision, count] of this.#counts) {
      if (count.total === count.totalBefore) {
        this.#others += count.total
        this.#counts.delete(revision)
      } else {
        count.totalBefore = count.total
      }
    }
  }
}
