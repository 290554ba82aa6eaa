import type { Harm } from './adapter-caches.ts'

/**
 * Bad values stay in KV blocks after their request ended, and whoever gets the blocks next answers garbage. Measured on
 * vLLM 0.32: one NaN adapter spoils its neighbours at once; after 150 calls to a finite but huge one (×1e20), 24 of a
 * neighbour's 80 answers had gone wrong, hence a fifth of an answer a call.
 */
const spoiledAnswers: Readonly<Record<Harm, number>> = { None: 0, NonFinite: 8, Huge: 0.2 }

export class Poison {
  #left = 0

  /** A request of such an adapter ended and gave its blocks back. */
  release(harm: Harm): void {
    this.#left += spoiledAnswers[harm]
  }

  /** A request takes blocks: true when they are spoiled. */
  take(): boolean {
    if (this.#left < 1) {
      return false
    }
    this.#left -= 1
    return true
  }
}
