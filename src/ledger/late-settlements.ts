import type { Settlement } from './types.ts'

const maxKept = 10_000

/**
 * Settlements that the store could not take. They are told again once it answers; what is above the bound is forgotten,
 * and those holds lapse at their last usage.
 */
export class LateSettlements {
  readonly #waiting = new Map<string, Settlement>()
  #forgotten = 0

  get size(): number {
    return this.#waiting.size
  }

  /** So many were given up. */
  get forgotten(): number {
    return this.#forgotten
  }

  keep(holdId: string, settlement: Settlement): void {
    if (this.#waiting.size >= maxKept) {
      this.#forgotten += 1
      return
    }
    this.#waiting.set(holdId, settlement)
  }

  /** Settling twice is harmless, so one is only dropped once the store took it. */
  async tell(settle: (holdId: string, settlement: Settlement) => Promise<unknown>): Promise<void> {
    for (const [holdId, settlement] of this.#waiting) {
      await settle(holdId, settlement)
      this.#waiting.delete(holdId)
    }
  }
}
