import type { LabRequest } from '../lab-request.ts'
import type { TenantOrder } from './tenant-order.ts'

/** Whoever came first goes first, whosever it is. */
export class FirstCome implements TenantOrder {
  readonly name: string = 'fcfs'
  readonly source: string = 'vLLM and S-LoRA, their default; the baseline of VTC, OSDI 2024'

  next(candidates: readonly LabRequest[]): LabRequest | undefined {
    let first: LabRequest | undefined
    for (const candidate of candidates) {
      if (first === undefined || candidate.arrivedMs < first.arrivedMs) {
        first = candidate
      }
    }
    return first
  }
}
