import type { KubeObject } from './types.ts'

/** The values under which an object is found; none is fine. */
export type IndexFunction<T extends KubeObject> = (object: T) => readonly string[]

/** One index: objects by what a function says of them. */
export class ObjectIndex<T extends KubeObject> {
  readonly #valuesOf: IndexFunction<T>
  readonly #byValue = new Map<string, Map<string, T>>()

  constructor(valuesOf: IndexFunction<T>) {
    this.#valuesOf = valuesOf
  }

  get(value: string): readonly T[] {
    return [...(this.#byValue.get(value)?.values() ?? [])]
  }

  change(key: string, before: T | undefined, after: T | undefined): void {
    for (const value of before === undefined ? [] : this.#valuesOf(before)) {
      const objects = this.#byValue.get(value)
      objects?.delete(key)
      if (objects?.size === 0) {
        this.#byValue.delete(value)
      }
    }
    for (const value of after === undefined ? [] : this.#valuesOf(after)) {
      const objects = this.#byValue.get(value) ?? new Map<string, T>()
      objects.set(key, after as T)
      this.#byValue.set(value, objects)
    }
  }
}
