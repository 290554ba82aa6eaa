import { TokenBucket } from './token-bucket.ts'

export interface CircuitBreakerOptions {
  /** Reconciles of one key in a row before it counts as a hot loop. */
  readonly burst?: number
  readonly perSecond?: number
  readonly openMs?: number
  /** Monotonic milliseconds. */
  readonly now: () => number
}

interface Circuit {
  readonly bucket: TokenBucket
  openUntilMs: number
}

/** Tells a key that is reconciled over and over from one that is busy (Crossplane's: 100 at once, one a second, open 5 min). */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  readonly #circuits = new Map<string, Circuit>()

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
  }

  /** 0 where the key may be worked on, else how long it may not. */
  pausedMs(key: string): number {
    const nowMs = this.#options.now()
    const untilMs = this.#circuits.get(key)?.openUntilMs ?? -Infinity
    return Math.max(0, untilMs - nowMs)
  }

  /** Counts one reconcile; true where it opens the circuit. */
  count(key: string): boolean {
    const { burst = 100, perSecond = 1, openMs = 300_000, now } = this.#options
    const circuit = this.#circuits.get(key) ?? {
      bucket: new TokenBucket({ burst, perSecond, now }),
      openUntilMs: -Infinity,
    }
    this.#circuits.set(key, circuit)
    if (circuit.bucket.tryTake()) {
      return false
    }
    circuit.openUntilMs = now() + openMs
    return true
  }

  /** Forgets keys that have been quiet, so that deleted objects do not stay here. */
  sweep(): void {
    for (const [key, { bucket }] of this.#circuits) {
      if (bucket.isFull && this.pausedMs(key) === 0) {
        this.#circuits.delete(key)
      }
    }
  }
}
