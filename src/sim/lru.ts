interface Entry<K, V> {
  readonly key: K
  value: V
  older: Entry<K, V> | undefined
  newer: Entry<K, V> | undefined
}

/**
 * A map of at most `capacity` entries; setting one more puts the least recently used out. Age is a list of its own: the
 * first key of a Map that loses its first keys all the time is found ever more slowly.
 */
export class Lru<K, V> {
  readonly #entries = new Map<K, Entry<K, V>>()
  #oldest: Entry<K, V> | undefined
  #newest: Entry<K, V> | undefined
  readonly capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get size(): number {
    return this.#entries.size
  }

  /** The least recently used first. */
  *keys(): IterableIterator<K> {
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) {
      yield entry.key
    }
  }

  /** The least recently used first. */
  *values(): IterableIterator<V> {
    for (let entry = this.#oldest; entry !== undefined; entry = entry.newer) {
      yield entry.value
    }
  }

  /** Without making it more recently used. */
  peek(key: K): V | undefined {
    return this.#entries.get(key)?.value
  }

  /** Makes `key` the most recently used; undefined when it is not there. */
  touch(key: K): V | undefined {
    const entry = this.#entries.get(key)
    if (entry !== undefined) {
      this.#renew(entry)
    }
    return entry?.value
  }

  /** Returns the key that had to go, if one had to. */
  set(key: K, value: V): K | undefined {
    const known = this.#entries.get(key)
    if (known !== undefined) {
      known.value = value
      this.#renew(known)
      return undefined
    }
    const out = this.#entries.size >= this.capacity ? this.#oldest : undefined
    if (out !== undefined) {
      this.delete(out.key)
    }
    const entry = { key, value, older: undefined, newer: undefined }
    this.#entries.set(key, entry)
    this.#append(entry)
    return out?.key
  }

  delete(key: K): boolean {
    const entry = this.#entries.get(key)
    if (entry !== undefined) {
      this.#entries.delete(key)
      this.#unlink(entry)
    }
    return entry !== undefined
  }

  #renew(entry: Entry<K, V>): void {
    if (entry !== this.#newest) {
      this.#unlink(entry)
      this.#append(entry)
    }
  }

  #append(entry: Entry<K, V>): void {
    entry.older = this.#newest
    entry.newer = undefined
    if (this.#newest === undefined) {
      this.#oldest = entry
    } else {
      this.#newest.newer = entry
    }
    this.#newest = entry
  }

  #unlink({ older, newer }: Entry<K, V>): void {
    if (older === undefined) {
      this.#oldest = newer
    } else {
      older.newer = newer
    }
    if (newer === undefined) {
      this.#newest = older
    } else {
      newer.older = older
    }
  }
}
