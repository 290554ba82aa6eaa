import { deepFreeze } from './freeze.ts'
import { keyOfObject } from './object-key.ts'
import { ObjectIndex, type IndexFunction } from './object-index.ts'
import { compareVersions, isOlder } from './resource-version.ts'
import { Tombstones } from './tombstones.ts'
import type { KubeObject, ListResult, Store, StoreChange } from './types.ts'

export type Indexers<T extends KubeObject> = Readonly<Record<string, IndexFunction<T>>>

export interface ObjectStoreOptions<T extends KubeObject> {
  readonly indexers?: Indexers<T>
  /** Drops what nobody reads, to save memory. */
  readonly trim?: ((object: T) => T) | undefined
  readonly now: () => number
}

/** What an audit found the store to have missed. */
export interface Missed<T extends KubeObject> {
  readonly changed: readonly T[]
  readonly gone: readonly T[]
}

/**
 * The objects of one kind as last heard. It never goes back in time: an object older than one seen of the same uid, or
 * one that was deleted, is not taken, whoever sends it.
 */
export class ObjectStore<T extends KubeObject> implements Store<T> {
  readonly #objects = new Map<string, T>()
  readonly #indexes: ReadonlyMap<string, ObjectIndex<T>>
  readonly #tombstones = new Tombstones()
  readonly #options: ObjectStoreOptions<T>
  synced = false
  heardAtMs = -Infinity

  constructor(options: ObjectStoreOptions<T>) {
    this.#options = options
    this.#indexes = new Map(
      Object.entries(options.indexers ?? {}).map(([name, of]) => [name, new ObjectIndex(of)]),
    )
  }

  get(key: string): T | undefined {
    return this.#objects.get(key)
  }

  list(): readonly T[] {
    return [...this.#objects.values()]
  }

  by(index: string, value: string): readonly T[] {
    return this.#indexes.get(index)?.get(value) ?? []
  }

  get size(): number {
    return this.#objects.size
  }

  /** An object that is there. Undefined where that is no news. */
  put(object: T): StoreChange<T> | undefined {
    const key = keyOfObject(object)
    const before = this.#objects.get(key)
    const { uid, resourceVersion } = object.metadata
    if (this.#tombstones.covers(object.metadata)) {
      return undefined
    }
    if (before !== undefined) {
      const isSameObject = before.metadata.uid === uid
      const order = compareVersions(resourceVersion, before.metadata.resourceVersion)
      // Of another uid with that name, the one with the larger version came later.
      if (order !== undefined && (order < 0 || (order === 0 && isSameObject))) {
        return undefined
      }
      if (!isSameObject) {
        this.#bury(before, resourceVersion)
      }
    }
    return this.#set(key, before, this.#ingest(object))
  }

  /** An object that is gone; `version` is when. An old word about one that has come back is not taken. */
  remove(object: T, version = object.metadata.resourceVersion): StoreChange<T> | undefined {
    const key = keyOfObject(object)
    const before = this.#objects.get(key)
    const isAnother = before !== undefined && before.metadata.uid !== object.metadata.uid
    if (!isAnother && isOlder(version, before?.metadata.resourceVersion)) {
      return undefined
    }
    this.#bury(object, version)
    if (before === undefined || isAnother) {
      return undefined
    }
    return this.#set(key, before, undefined)
  }

  /** The whole collection at one moment. `isAuthoritative`: taken even where it is older (a restored cluster). */
  replace(
    { items, resourceVersion }: ListResult<T>,
    isAuthoritative = false,
  ): readonly StoreChange<T>[] {
    if (isAuthoritative) {
      this.#tombstones.clear()
    }
    const changes: StoreChange<T>[] = []
    const listed = new Set<string>()
    for (const item of items) {
      const key = keyOfObject(item)
      listed.add(key)
      const before = this.#objects.get(key)
      const change =
        isAuthoritative && before?.metadata.resourceVersion !== item.metadata.resourceVersion
          ? this.#set(key, before, this.#ingest(item))
          : this.put(item)
      if (change !== undefined) {
        changes.push(change)
      }
    }
    for (const [key, before] of this.#objects) {
      if (!listed.has(key)) {
        this.#bury(before, resourceVersion)
        changes.push(this.#set(key, before, undefined))
      }
    }
    this.synced = true
    return changes
  }

  /** What a list of `version` has that should be here by now and is not, and the other way round. */
  compare({ items, resourceVersion }: ListResult<T>): Missed<T> {
    const listed = new Map(items.map((item) => [keyOfObject(item), item]))
    const changed = items.filter((item) => {
      const here = this.#objects.get(keyOfObject(item))
      return (
        !this.#tombstones.covers(item.metadata) &&
        (here === undefined ||
          isOlder(here.metadata.resourceVersion, item.metadata.resourceVersion))
      )
    })
    const gone = this.list().filter(
      (here) =>
        !listed.has(keyOfObject(here)) &&
        (compareVersions(here.metadata.resourceVersion, resourceVersion) ?? 1) <= 0,
    )
    return { changed, gone }
  }

  #bury({ metadata }: T, version: string | undefined): void {
    this.#tombstones.add(metadata.uid, version, this.#options.now())
  }

  #set(key: string, before: T | undefined, after: T | undefined): StoreChange<T> {
    if (after === undefined) {
      this.#objects.delete(key)
    } else {
      this.#objects.set(key, after)
    }
    for (const index of this.#indexes.values()) {
      index.change(key, before, after)
    }
    return { key, before, after }
  }

  #ingest(object: T): T {
    const trimmed = this.#options.trim?.(object) ?? object
    // Often larger than all the rest, and read by nobody.
    const { managedFields: _, ...metadata } = trimmed.metadata as T['metadata'] & {
      readonly managedFields?: unknown
    }
    return deepFreeze({ ...trimmed, metadata })
  }
}
