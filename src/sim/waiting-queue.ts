/** What waits: `order` says who came first, `line` whom it shares an adapter with (0: the base). */
export interface Waiting {
  readonly line: number
  /** Set here. */
  order: number
}

/**
 * One queue in order of arrival, kept as a line for each adapter, so that those who lack a LoRA slot need not be walked
 * over at every step: thousands of them wait in an overloaded engine.
 */
export class WaitingQueue<T extends Waiting> {
  readonly #lines = new Map<number, T[]>()
  #length = 0
  #last = 0
  #first = 0

  get length(): number {
    return this.#length
  }

  /** The order that the next arrival will have. */
  get nextOrder(): number {
    return this.#last + 1
  }

  /** In order of arrival. */
  get all(): readonly T[] {
    return [...this.#lines.values()].flat().sort((left, right) => left.order - right.order)
  }

  add(waiting: T): void {
    waiting.order = this.#last += 1
    this.#lineOf(waiting).push(waiting)
    this.#length += 1
  }

  /** Ahead of everybody: it was running already. */
  putBack(waiting: T): void {
    waiting.order = this.#first -= 1
    this.#lineOf(waiting).unshift(waiting)
    this.#length += 1
  }

  /** The first of all. */
  first(): T | undefined {
    let first: T | undefined
    for (const line of this.#lines.values()) {
      first = earlier(first, line[0])
    }
    return first
  }

  /** The first of the base's line and those of `lines`. */
  firstOf(lines: ReadonlyMap<number, unknown>): T | undefined {
    let first = this.#lines.get(0)?.[0]
    for (const line of lines.keys()) {
      first = earlier(first, this.#lines.get(line)?.[0])
    }
    return first
  }

  remove(waiting: T): boolean {
    const line = this.#lines.get(waiting.line)
    const at = line?.indexOf(waiting) ?? -1
    if (line === undefined || at < 0) {
      return false
    }
    line.splice(at, 1)
    if (line.length === 0) {
      this.#lines.delete(waiting.line)
    }
    this.#length -= 1
    return true
  }

  clear(): void {
    this.#lines.clear()
    this.#length = 0
  }

  /** How many came before `order` in the lines that are `meant`. */
  countBefore(order: number, isMeant: (line: number) => boolean): number {
    let count = 0
    for (const [line, waiting] of this.#lines) {
      if (isMeant(line)) {
        count += lengthBefore(waiting, order)
      }
    }
    return count
  }

  #lineOf({ line }: T): T[] {
    const known = this.#lines.get(line)
    if (known !== undefined) {
      return known
    }
    const fresh: T[] = []
    this.#lines.set(line, fresh)
    return fresh
  }
}

function earlier<T extends Waiting>(left: T | undefined, right: T | undefined): T | undefined {
  if (left === undefined || right === undefined) {
    return left ?? right
  }
  return right.order < left.order ? right : left
}

/** Lines are in order: half of what is left is looked at each time. */
function lengthBefore(line: readonly Waiting[], order: number): number {
  let low = 0
  let high = line.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((line[middle]?.order ?? order) < order) {
      low = middle + 1
    } else {
      high = middle
    }
  }
  return low
}
