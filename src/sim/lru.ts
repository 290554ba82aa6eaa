/** A map of at most `capacity` entries; setting one more puts the least recently used out. */
export class Lru<K, V> {
  readonly #entries = new Map<K, V>()
  readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  keys(): IterableIterator<K> {
    return this.#entries.keys()
  }

  /** The least recently used first. */
  values(): IterableIterator<V> {
    return this.#entries.values()
  }

  get size(): number {
    return this.#entries.size
  }

  /** Without making it more recently used. */
  peek(key: K): V | undefined {
    return this.#entries.get(key)
  }

  /** Makes `key` the most recently used; undefined when it is not there. */
  touch(key: K): V | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, value)
    }
    return value
  }

  /** Returns the key that had to go, if one had to. */
  set(key: K, value: V): K | undefined {
    this.#entries.delete(key)
    const out = this.#entries.size >= this.capacity ? this.#entries.keys().next().value : undefined
    if (out !== undefined) {
      this.#entries.delete(out)
    }
    this.#entries.set(key, value)
    return out
  }

  delete(key: K): boolean {
    return this.#entries.delete(key)
  }
}
