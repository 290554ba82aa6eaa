/** Where an item stands in its bag; whoever makes the item begins with `nowhere`. */
export interface Seated {
  seat: number
}

export const nowhere = -1

/**
 * A set, in no order, for objects that live as long as a request. A `Set` under such traffic makes a new table every few
 * dozen changes, and each table points to the one that replaced it: once an old one has reached the old generation, the
 * young collector takes every later one, and all requests in them, for alive. With 64 requests in flight that was 12 kB
 * a request carried into the old generation.
 */
export class Bag<T extends Seated> implements Iterable<T> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  add(item: T): void {
    if (!this.has(item)) {
      item.seat = this.#items.push(item) - 1
    }
  }

  has(item: T): boolean {
    return this.#items[item.seat] === item
  }

  /** False: it is not in here. */
  delete(item: T): boolean {
    if (!this.has(item)) {
      return false
    }
    const last = this.#items.pop()
    if (last !== undefined && last !== item) {
      this.#items[item.seat] = last
      last.seat = item.seat
    }
    item.seat = nowhere
    return true
  }

  /** As they are now: what joins or leaves meanwhile changes nothing. */
  [Symbol.iterator](): IterableIterator<T> {
    return [...this.#items].values()
  }
}
