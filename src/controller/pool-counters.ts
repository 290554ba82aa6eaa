/** What came to a pool; see `DemandMessage` and `WorkOfPool`. */
export interface PoolCounts {
  readonly arrivals: number
  readonly requests: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly answers: number
}

/**
 * Counters of pools added up over any number of gateways, whose processes start over at zero. The sums never fall, and the
 * first word of a gateway adds nothing to them: it says nothing of when all that came, and a rate taken over it would be
 * that of days in a second.
 */
export class PoolCounters {
  readonly #said = new Map<string, ReadonlyMap<string, PoolCounts>>()
  readonly #sums = new Map<string, PoolCounts>()

  /** All pools of which a gateway has counted anything. */
  take(gateway: string, pools: ReadonlyMap<string, PoolCounts>): void {
    const before = this.#said.get(gateway)
    this.#said.set(gateway, pools)
    if (before === undefined) {
      return
    }
    for (const [poolKey, counts] of pools) {
      const known = before.get(poolKey) ?? none
      const sum = this.of(poolKey)
      this.#sums.set(poolKey, {
        arrivals: sum.arrivals + since(known.arrivals, counts.arrivals),
        requests: sum.requests + since(known.requests, counts.requests),
        inputTokens: sum.inputTokens + since(known.inputTokens, counts.inputTokens),
        outputTokens: sum.outputTokens + since(known.outputTokens, counts.outputTokens),
        answers: sum.answers + since(known.answers, counts.answers),
      })
    }
  }

  /** Another process, one that is gone, or one that was not heard for long: its next word is a first one. */
  forget(gateway: string): void {
    this.#said.delete(gateway)
  }

  of(poolKey: string): PoolCounts {
    return this.#sums.get(poolKey) ?? none
  }
}

const none: PoolCounts = { arrivals: 0, requests: 0, inputTokens: 0, outputTokens: 0, answers: 0 }

function since(known: number, now: number): number {
  return now < known ? now : now - known
}
