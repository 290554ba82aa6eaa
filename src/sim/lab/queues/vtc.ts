import type { LabRequest } from '../lab-request.ts'
import { equalWeights, type TenantOrder, type WeightOf } from './tenant-order.ts'

/** The artifact's `input_price` and `output_price`. */
const inputCost = 1
const outputCost = 2

interface Counter {
  value: number
  waiting: number
}

/**
 * Virtual token counter: the waiting tenant that was served least is next. Charged for the prompt when a request begins and
 * for each token as it comes; who comes back from idling is lifted to the least of those that wait.
 */
export class Vtc implements TenantOrder {
  readonly name = 'vtc'
  readonly source =
    'Y. Sheng et al., Fairness in Serving Large Language Models, OSDI 2024, algorithm 2; VTC-artifact, vtc_req_queue.py'
  readonly #weightOf: WeightOf
  readonly #counters = new Map<string, Counter>()
  /** Where the tenant stood that was the last to wait: for the lift when nobody waits. */
  #lastLeft = 0

  constructor(weightOf = equalWeights) {
    this.#weightOf = weightOf
  }

  /** Tokens by weight. */
  counterOf(tenant: string): number {
    return this.#counters.get(tenant)?.value ?? 0
  }

  entered({ entry }: LabRequest): void {
    const counter = this.#lifted(entry.tenant)
    counter.waiting += 1
  }

  left({ entry }: LabRequest): void {
    const counter = this.#of(entry.tenant)
    counter.waiting -= 1
    if (counter.waiting === 0) {
      this.#lastLeft = counter.value
    }
  }

  next(candidates: readonly LabRequest[]): LabRequest | undefined {
    let best: LabRequest | undefined
    let bestValue = Infinity
    for (const candidate of candidates) {
      const { value } = this.#of(candidate.entry.tenant)
      const isEqual = value === bestValue && candidate.arrivedMs < (best?.arrivedMs ?? Infinity)
      if (value < bestValue || isEqual) {
        best = candidate
        bestValue = value
      }
    }
    return best
  }

  began({ entry, promptTokens }: LabRequest): void {
    this.#lifted(entry.tenant).value += (inputCost * promptTokens) / this.#weightOf(entry.tenant)
  }

  token({ entry }: LabRequest): void {
    this.#of(entry.tenant).value += outputCost / this.#weightOf(entry.tenant)
  }

  #lifted(tenant: string): Counter {
    const counter = this.#of(tenant)
    if (counter.waiting > 0) {
      return counter
    }
    let least = Infinity
    for (const { value, waiting } of this.#counters.values()) {
      least = waiting > 0 ? Math.min(least, value) : least
    }
    counter.value = Math.max(counter.value, least === Infinity ? this.#lastLeft : least)
    return counter
  }

  #of(tenant: string): Counter {
    const counter = this.#counters.get(tenant) ?? { value: 0, waiting: 0 }
    this.#counters.set(tenant, counter)
    return counter
  }
}
