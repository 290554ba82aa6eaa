import { mix } from './hash.ts'
import { Lru } from './lru.ts'

/** What the engine finds in an adapter's weights that matters to others: NaN or infinity, or finite values far too large. */
export type Harm = 'None' | 'NonFinite' | 'Huge'

/**
 * Where adapters' weights are, by vLLM's int id: `maxLoras` GPU slots inside `maxCpuLoras` places in host memory, each
 * least recently used first out. A name that was unloaded leaves nothing here: its weights go by age (a ghost), and a
 * reload under the same name is another id, so a second copy (vllm-project/vllm#54839).
 */
export class AdapterCaches {
  readonly #slots: Lru<number, true>
  readonly #host: Lru<number, Harm>

  /** The set of adapters that was used last; undefined once something else came in between. */
  #lastUsed: number | undefined

  constructor(maxLoras: number, maxCpuLoras: number) {
    this.#slots = new Lru(maxLoras)
    this.#host = new Lru(maxCpuLoras)
  }

  /** In host memory: nothing has to be read. Marks it as used. */
  inHost(id: number): boolean {
    return this.#host.touch(id) !== undefined
  }

  harmOf(id: number): Harm {
    return this.#host.peek(id) ?? 'None'
  }

  /** Puts weights just read into host memory; what is evicted there leaves its slot too. */
  hold(id: number, harm: Harm): void {
    this.#lastUsed = undefined
    const evicted = this.#host.set(id, harm)
    if (evicted !== undefined) {
      this.#slots.delete(evicted)
    }
  }

  /** True when the weights had to be copied into a slot. */
  activate(id: number): boolean {
    this.#lastUsed = undefined
    if (this.#slots.touch(id) !== undefined) {
      return false
    }
    this.#slots.set(id, true)
    return true
  }

  /**
   * For a step with these adapters, a set known as `version`; returns how many had to be copied into a slot. vLLM goes over
   * a set of LoRARequests, so in an order that their hashes make: the same at every step, but not that of arrival. With every
   * slot in use, a newcomer that is early in this order takes the slot of one that runs and was not reached yet; that one
   * takes the next one's, and so on up to the slot that was free: one newcomer costs several copies.
   */
  activateAll(ids: Iterable<number>, version: number): number {
    let copies = 0
    if (!this.areAsLastUsed(version)) {
      for (const id of [...ids].sort((left, right) => mix(left, 1) - mix(right, 1))) {
        copies += this.activate(id) ? 1 : 0
      }
      this.#lastUsed = version
    }
    return copies
  }

  /** Using them once more would change nothing. */
  areAsLastUsed(version: number): boolean {
    return this.#lastUsed === version
  }

  get onGpu(): readonly number[] {
    return [...this.#slots.keys()]
  }

  get inHostMemory(): readonly number[] {
    return [...this.#host.keys()]
  }
}
