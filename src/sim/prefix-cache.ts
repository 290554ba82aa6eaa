import { Lru } from './lru.ts'

/** Tokens in a KV block, vLLM's default. */
export const blockTokens = 16

/**
 * Blocks of prompts already computed, by chained hash. The chain starts from (adapter name, path, cache salt), so nothing
 * is shared between adapters, between an adapter and the base, or between salts.
 */
export class PrefixCache {
  readonly #blocks: Lru<number, true>

  constructor(kvTokens: number) {
    this.#blocks = new Lru(Math.max(1, Math.floor(kvTokens / blockTokens)))
  }

  /** Leading tokens of a prompt that need no computing; at least one token is always computed. */
  cachedTokens(blocks: readonly number[], promptTokens: number): number {
    const usable = Math.floor((promptTokens - 1) / blockTokens)
    let hits = 0
    while (hits < usable && this.#hit(blocks[hits])) {
      hits += 1
    }
    return hits * blockTokens
  }

  add(blocks: readonly number[]): void {
    for (const block of blocks) {
      this.#blocks.set(block, true)
    }
  }

  #hit(block: number | undefined): boolean {
    return block !== undefined && this.#blocks.touch(block) === true
  }
}
