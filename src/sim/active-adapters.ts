import type { ModelAdapter } from './model-types.ts'

/** Distinct adapters among running requests, counted as requests come and go. */
export class ActiveAdapters {
  readonly #adapters = new Map<number, ModelAdapter>()
  readonly #requests = new Map<number, number>()

  #version = 0

  /** Another whenever the set is another. */
  get version(): number {
    return this.#version
  }

  get size(): number {
    return this.#adapters.size
  }

  /** By id; a live view. */
  get byId(): ReadonlyMap<number, ModelAdapter> {
    return this.#adapters
  }

  has(id: number): boolean {
    return this.#adapters.has(id)
  }

  add(adapter: ModelAdapter | undefined): void {
    if (adapter === undefined) {
      return
    }
    const requests = this.#requests.get(adapter.id) ?? 0
    this.#requests.set(adapter.id, requests + 1)
    if (requests === 0) {
      this.#adapters.set(adapter.id, adapter)
      this.#version += 1
    }
  }

  remove(adapter: ModelAdapter | undefined): void {
    if (adapter === undefined) {
      return
    }
    const left = (this.#requests.get(adapter.id) ?? 1) - 1
    if (left > 0) {
      this.#requests.set(adapter.id, left)
    } else {
      this.#requests.delete(adapter.id)
      this.#adapters.delete(adapter.id)
      this.#version += 1
    }
  }

  clear(): void {
    this.#adapters.clear()
    this.#requests.clear()
    this.#version += 1
  }
}
