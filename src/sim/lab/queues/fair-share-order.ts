import { FairShare, type Charge } from '../../../core/fair-share.ts'
import type { LabRequest } from '../lab-request.ts'
import { equalWeights, type TenantOrder, type WeightOf } from './tenant-order.ts'

interface Running {
  readonly charge: Charge
  generated: number
}

/** How often a gateway looks at answers that are on their way, and forgets who is idle. */
const sweepEveryMs = 1000

/** The gateway's own: core's counters, told what a gateway tells them, and as often. */
export class FairShareOrder implements TenantOrder {
  readonly name = 'loraplex'
  readonly source = 'core/fair-share.ts, used as gateway/admission/admission.ts does'
  readonly fair = new FairShare()
  readonly #weightOf: WeightOf
  readonly #running = new Map<LabRequest, Running>()
  #sweptMs = 0
  /** What a charge grew by, for who has to tell other gateways. */
  readonly #onCharge: (request: LabRequest, amount: number) => void

  constructor(
    weightOf = equalWeights,
    onCharge: (request: LabRequest, amount: number) => void = () => undefined,
  ) {
    this.#weightOf = weightOf
    this.#onCharge = onCharge
  }

  /** What this request would add to its tenant's counter. */
  costOf({ entry, promptTokens }: LabRequest): number {
    return this.fair.costOf(entry.tenant, this.#weightOf(entry.tenant), promptTokens)
  }

  /** How far its tenant is behind those that go now, in tokens by weight. */
  lagOf({ entry }: LabRequest): number {
    return this.fair.now - this.fair.turnOf(entry.tenant)
  }

  entered({ entry }: LabRequest): void {
    this.fair.enter(entry.tenant)
  }

  left({ entry }: LabRequest): void {
    this.fair.leave(entry.tenant)
  }

  next(candidates: readonly LabRequest[]): LabRequest | undefined {
    let best: LabRequest | undefined
    let bestTurn = Infinity
    for (const candidate of candidates) {
      const turn = this.fair.turnOf(candidate.entry.tenant)
      if (turn < bestTurn) {
        best = candidate
        bestTurn = turn
      }
    }
    return best
  }

  began(request: LabRequest): void {
    const { entry, promptTokens } = request
    const charge = this.fair.begin(entry.tenant, this.#weightOf(entry.tenant), promptTokens)
    this.#running.set(request, { charge, generated: 0 })
    this.#onCharge(request, charge.amount)
  }

  token(request: LabRequest, nowMs: number): void {
    const running = this.#running.get(request)
    if (running !== undefined) {
      running.generated += 1
    }
    if (nowMs - this.#sweptMs >= sweepEveryMs) {
      this.#sweptMs = nowMs
      this.#sweep()
    }
  }

  ended(request: LabRequest): void {
    const running = this.#running.get(request)
    if (running !== undefined) {
      this.#running.delete(request)
      const tokens = { input: request.promptTokens, output: running.generated }
      this.#onCharge(request, this.fair.end(running.charge, tokens))
    }
  }

  #sweep(): void {
    for (const [request, { charge, generated }] of this.#running) {
      this.#onCharge(request, this.fair.progress(charge, generated))
    }
    this.fair.tidy()
  }
}
