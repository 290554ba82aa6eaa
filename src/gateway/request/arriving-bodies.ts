import { LoraplexError } from '../../errors.ts'

/** What one body may take while it arrives. */
export interface BodyAllowance {
  /** So many bytes came; what it returns says why there is no room for them. */
  take(bytes: number): LoraplexError | undefined
  /** It is whole, or nobody waits for the rest. */
  end(): void
}

export interface ArrivalLimits {
  /** Bytes of bodies that are not whole yet, of everybody and of one tenant. */
  readonly maxBytes: number
  readonly maxTenantBytes: number
}

const defaultLimits: ArrivalLimits = {
  maxBytes: 256 * 1024 * 1024,
  maxTenantBytes: 64 * 1024 * 1024,
}

/** So many stay without a body on its way: to take a name out and in again costs each request a table. */
const keptTenants = 1024

/**
 * I9: bodies that arrive slowly are in nobody's queue yet, and each may be as large as the limit. A tenant that sends many
 * of them at once takes its own share of memory, not everybody's.
 */
export class ArrivingBodies {
  readonly #limits: ArrivalLimits
  readonly #perTenant = new Map<string, number>()
  #bytes = 0

  constructor(limits: ArrivalLimits = defaultLimits) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#bytes
  }

  begin(tenant: string): BodyAllowance {
    let taken = 0
    return {
      take: (bytes) => {
        const refusal = this.#refusal(tenant, bytes)
        if (refusal === undefined) {
          taken += bytes
          this.#add(tenant, bytes)
        }
        return refusal
      },
      end: () => {
        this.#add(tenant, -taken)
        taken = 0
      },
    }
  }

  #refusal(tenant: string, bytes: number): LoraplexError | undefined {
    if ((this.#perTenant.get(tenant) ?? 0) + bytes > this.#limits.maxTenantBytes) {
      return new LoraplexError(
        'queue_share_full',
        'Too many of your request bodies are on their way at once.',
        { retryAfterMs: 1000 },
      )
    }
    return this.#bytes + bytes > this.#limits.maxBytes
      ? new LoraplexError('overloaded', 'Too many request bodies are on their way at once.', {
          retryAfterMs: 1000,
        })
      : undefined
  }

  #add(tenant: string, bytes: number): void {
    this.#bytes += bytes
    const left = (this.#perTenant.get(tenant) ?? 0) + bytes
    if (left === 0 && this.#perTenant.size > keptTenants) {
      this.#perTenant.delete(tenant)
    } else {
      this.#perTenant.set(tenant, left)
    }
  }
}
