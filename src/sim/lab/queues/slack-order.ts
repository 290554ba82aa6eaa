import type { LabRequest } from '../lab-request.ts'
import type { TenantOrder } from './tenant-order.ts'

/**
 * AIBrix's queue by objective: sizes in powers of two, and next is what is latest: what it has waited, and what a profile
 * expects it to take, over the target. One target for all, here. Knows no tenants.
 */
export class SlackOrder implements TenantOrder {
  readonly name = 'aibrix-slo'
  readonly source =
    'AIBrix, pkg/plugins/gateway/queue/slo_queue.go, with one target of time to first token'
  readonly #promptTokenMs: number

  /** @param promptTokenMs what the profile says of a prompt's token */
  constructor(promptTokenMs: number) {
    this.#promptTokenMs = promptTokenMs
  }

  next(candidates: readonly LabRequest[], nowMs: number): LabRequest | undefined {
    let latest: LabRequest | undefined
    let most = -Infinity
    for (const candidate of candidates) {
      const size = 2 ** Math.round(Math.log2(candidate.promptTokens))
      const lateMs = nowMs - candidate.arrivedMs + size * this.#promptTokenMs
      if (lateMs > most) {
        latest = candidate
        most = lateMs
      }
    }
    return latest
  }
}
