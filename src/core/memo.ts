interface Remembered {
  readonly parts: readonly unknown[]
  readonly value: unknown
  turn: number
}

/**
 * What was worked out the last time, taken over where everything it was made of is the same value still. Immutable inputs
 * only. What one turn does not ask for is forgotten with the next.
 */
export class Memo {
  readonly #known = new Map<string, Remembered>()
  #turn = 0

  /** Call before each round of `recall`. */
  begin(): void {
    for (const [key, { turn }] of this.#known) {
      if (turn !== this.#turn) {
        this.#known.delete(key)
      }
    }
    this.#turn += 1
  }

  /** `make` has to depend on `parts` alone, and a key has to stand for one type. */
  recall<T>(key: string, parts: readonly unknown[], make: () => T): T {
    const known = this.#known.get(key)
    if (known !== undefined && areSame(known.parts, parts)) {
      known.turn = this.#turn
      return known.value as T
    }
    const value = make()
    this.#known.set(key, { parts, value, turn: this.#turn })
    return value
  }

  /** For what is part of something that was recalled whole. */
  keep(key: string): void {
    const known = this.#known.get(key)
    if (known !== undefined) {
      known.turn = this.#turn
    }
  }
}

function areSame(left: readonly unknown[], right: readonly unknown[]): boolean {
  return left.length === right.length && left.every((part, at) => part === right[at])
}
