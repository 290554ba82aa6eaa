import { Lru } from '../../lru.ts'
import type { LabRequest } from '../lab-request.ts'
import { equalWeights, type TenantOrder, type WeightOf } from './tenant-order.ts'

const inputCost = 1
const outputCost = 2
const blockTokens = 16

export interface DlpmOptions {
  /** Tokens a refill, by weight. The paper leaves it to who runs it: more is more locality and less fairness. */
  readonly quantum?: number
  readonly weightOf?: WeightOf
  /** Prompt blocks of the fleet's prefix caches. */
  readonly cachedBlocks?: number
}

/**
 * Deficit longest prefix match: of tenants with something left of their quantum, the request with the longest cached prefix
 * is next; when none has, those without get another quantum. Charged for what has to be computed, not for what is cached.
 */
export class Dlpm implements TenantOrder {
  readonly name = 'dlpm'
  readonly source =
    'S. Cao et al., Locality-aware Fair Scheduling in LLM Serving, arXiv:2501.14312; refills as in Yandex’s fork of SGLang'
  readonly depth = 64
  readonly #quantum: number
  readonly #weightOf: WeightOf
  readonly #deficits = new Map<string, number>()
  /** Who was chosen last, and what has to be refilled for that: done only if there is a place for it. */
  #planned: { readonly request: LabRequest | undefined; readonly rounds: number } | undefined
  /** What was sent, as a gateway may know it. */
  readonly #sent: Lru<string, true>

  constructor(options: DlpmOptions = {}) {
    const { quantum = 8192, weightOf = equalWeights, cachedBlocks = 20_000 } = options
    this.#quantum = quantum
    this.#weightOf = weightOf
    this.#sent = new Lru(cachedBlocks)
  }

  /** What is left of its quantum, in tokens. */
  deficitOf(tenant: string): number {
    return this.#deficits.get(tenant) ?? 0
  }

  next(candidates: readonly LabRequest[]): LabRequest | undefined {
    for (const { entry } of candidates) {
      this.#deficits.set(entry.tenant, this.deficitOf(entry.tenant))
    }
    const rounds = Math.min(...candidates.map(({ entry }) => this.#roundsFor(entry.tenant)))
    let best: LabRequest | undefined
    let bestCached = -1
    for (const candidate of candidates) {
      if (this.#roundsFor(candidate.entry.tenant) > rounds) {
        continue
      }
      const cached = this.#cachedTokens(candidate)
      const isEqual = cached === bestCached && candidate.arrivedMs < (best?.arrivedMs ?? 0)
      if (cached > bestCached || isEqual) {
        best = candidate
        bestCached = cached
      }
    }
    this.#planned = { request: best, rounds }
    return best
  }

  began(request: LabRequest): void {
    const { entry, promptTokens, adapter, blocks } = request
    if (this.#planned?.request === request) {
      this.#refill(this.#planned.rounds)
    }
    this.#charge(entry.tenant, inputCost * (promptTokens - this.#cachedTokens(request)))
    for (const block of blocks) {
      this.#sent.set(`${adapter?.id ?? 0}/${block}`, true)
    }
  }

  token({ entry }: LabRequest): void {
    this.#charge(entry.tenant, outputCost)
  }

  #charge(tenant: string, tokens: number): void {
    this.#deficits.set(tenant, this.deficitOf(tenant) - tokens)
  }

  /** Refills until the tenant may go. */
  #roundsFor(tenant: string): number {
    const deficit = this.deficitOf(tenant)
    return deficit > 0 ? 0 : Math.floor(-deficit / this.#quantumOf(tenant)) + 1
  }

  #quantumOf(tenant: string): number {
    return this.#quantum * this.#weightOf(tenant)
  }

  #refill(rounds: number): void {
    for (const [tenant, deficit] of this.#deficits) {
      const own = Math.min(rounds, this.#roundsFor(tenant))
      this.#deficits.set(tenant, deficit + own * this.#quantumOf(tenant))
    }
  }

  #cachedTokens({ adapter, blocks, promptTokens }: LabRequest): number {
    const first = blocks.findIndex(
      (block) => this.#sent.peek(`${adapter?.id ?? 0}/${block}`) === undefined,
    )
    return Math.min(promptTokens - 1, (first === -1 ? blocks.length : first) * blockTokens)
  }
}
