interface Count {
  total: number
  totalBefore: number
}

/** Requests that came for each revision of one pool since the process started; `undefined` is the base. */
export class Arrivals {
  readonly #counts = new Map<string | undefined, Count>()

  /** On the path of every request. */
  note(revision: string | undefined): void {
    const known = this.#counts.get(revision)
    if (known === undefined) {
      this.#counts.set(revision, { total: 1, totalBefore: 0 })
    } else {
      known.total += 1
    }
  }

  /** Revisions that were asked for since the turn before the last one; the others go on counting unnamed. */
  *recent(): Iterable<readonly [revision: string | undefined, total: number]> {
    for (const [revision, { total, totalBefore }] of this.#counts) {
      if (total !== totalBefore) {
        yield [revision, total]
      }
    }
  }

  total(revision: string | undefined): number {
    return this.#counts.get(revision)?.total ?? 0
  }

  turn(): void {
    for (const count of this.#counts.values()) {
      count.totalBefore = count.total
    }
  }
}
