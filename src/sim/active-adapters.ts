import type { ModelAdapter } from './model-types.ts'

/** Distinct adapters of running requests, kept up to date because every step asks. */
export class ActiveAdapters {
  readonly #adapters = new Map<number, ModelAdapter>()
  readonly #counts = new Map<number, number>()
  #version = 0

  /** By id, as they are now: the map changes with them. */
  get byId(): ReadonlyMap<number, ModelAdapter> {
    return this.#adapters
  }

  /** Changes whenever an adapter comes or goes. */
  get version(): number {
    return this.#version
  }

  /** One more request of it runs; the base is no adapter. */
  add(adapter: ModelAdapter | undefined): void {
    if (adapter === undefined) {
      return
    }
    const count = this.#counts.get(adapter.id) ?? 0
    this.#counts.set(adapter.id, count + 1)
    if (count === 0) {
      this.#adapters.set(adapter.id, adapter)
      this.#version += 1
    }
  }

  /** One request of it fewer. */
  drop(adapter: ModelAdapter | undefined): void {
    if (adapter === undefined) {
      return
    }
    const left = (this.#counts.get(adapter.id) ?? 0) - 1
    if (left > 0) {
      this.#counts.set(adapter.id, left)
      return
    }
    this.#counts.delete(adapter.id)
    this.#adapters.delete(adapter.id)
    this.#version += 1
  }

  clear(): void {
    this.#adapters.clear()
    this.#counts.clear()
    this.#version += 1
  }
}
