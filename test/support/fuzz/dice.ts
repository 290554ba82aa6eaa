import { seededRandom } from '../../../src/sim/hash.ts'

/** Chance, the same for the same seed and case. */
export class Dice {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = seededRandom(seed)
  }

  /** From 0 up to `below`. */
  roll(below: number): number {
    return Math.floor(this.#next() * below)
  }

  chance(of: number): boolean {
    return this.#next() < of
  }

  pick<T>(from: readonly T[]): T {
    const one = from[this.roll(from.length)]
    if (one === undefined) {
      throw new Error('nothing to pick from')
    }
    return one
  }
}
