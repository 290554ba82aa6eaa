import { LoraplexError } from '../../errors.ts'

export interface AdmissionLimits {
  /** Waiting requests a queue. */
  readonly maxQueued: number
  /** Bytes of waiting bodies a queue. */
  readonly maxQueuedBytes: number
  /** Waiting requests of one tenant, so that none can fill a queue alone. */
  readonly maxQueuedPerTenant: number
}

export const defaultAdmissionLimits: AdmissionLimits = {
  maxQueued: 2048,
  maxQueuedBytes: 256 * 1024 * 1024,
  maxQueuedPerTenant: 1024,
}

export interface Waiter {
  readonly tenant: string
  readonly sizeBytes: number
}

/** I9: what may wait at once, in requests and bytes, of all and of one tenant. */
export class QueueBounds {
  readonly #limits: AdmissionLimits
  readonly #perTenant = new Map<string, number>()
  #queued = 0
  #bytes = 0

  constructor(limits: AdmissionLimits) {
    this.#limits = limits
  }

  get queued(): number {
    return this.#queued
  }

  /** Why there is no room for this one; undefined when there is. */
  refusal({ tenant, sizeBytes }: Waiter): LoraplexError | undefined {
    const { maxQueued, maxQueuedBytes, maxQueuedPerTenant } = this.#limits
    if ((this.#perTenant.get(tenant) ?? 0) >= maxQueuedPerTenant) {
      return new LoraplexError(
        'queue_share_full',
        'Too many of your requests are waiting already.',
        { retryAfterMs: 1000 },
      )
    }
    if (this.#queued >= maxQueued || this.#bytes + sizeBytes > maxQueuedBytes) {
      return new LoraplexError('overloaded', 'Too many requests are waiting for this model.', {
        retryAfterMs: 2000,
      })
    }
    return undefined
  }

  enter({ tenant, sizeBytes }: Waiter): void {
    this.#queued += 1
    this.#bytes += sizeBytes
    this.#perTenant.set(tenant, (this.#perTenant.get(tenant) ?? 0) + 1)
  }

  leave({ tenant, sizeBytes }: Waiter): void {
    this.#queued -= 1
    this.#bytes -= sizeBytes
    const count = (this.#perTenant.get(tenant) ?? 1) - 1
    if (count === 0) {
      this.#perTenant.delete(tenant)
    } else {
      this.#perTenant.set(tenant, count)
    }
  }
}
