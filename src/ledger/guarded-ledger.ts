import { shareOfCap } from '../core/share-of-cap.ts'
import { CircuitBreaker, type BreakerOptions } from './circuit-breaker.ts'
import { inTime } from './in-time.ts'
import { LateSettlements } from './late-settlements.ts'
import { LedgerError } from './ledger-error.ts'
import { MemoryLedger } from './memory-ledger.ts'
import { greatest } from './refusal.ts'
import type {
  Counter,
  Granted,
  Hold,
  LapsedHold,
  Ledger,
  Line,
  LineClass,
  Refused,
  Renewal,
  RenewOutcome,
  Settlement,
  SettleOutcome,
} from './types.ts'

/**
 * What holds while the store is away. `Closed`: requests are refused. `LocalShare`: each gateway grants its part of each
 * cap from its own memory. `Open`: nothing is refused, and nothing is counted in the store afterwards.
 */
export type AwayMode = 'Closed' | 'LocalShare' | 'Open'

export interface GuardOptions {
  /** By what a line protects; a request with one capped line that is `Closed` is refused. */
  readonly whenAway: Readonly<Record<LineClass, AwayMode>>
  /** How many gateways share a cap now. */
  readonly gateways: () => number
  /** A call that takes longer has failed. */
  readonly timeoutMs: number
  readonly breaker: BreakerOptions
  readonly now: () => number
  /** Told of each call that the store did not answer. */
  readonly onFailure: (error: LedgerError) => void
}

export const defaultGuard: Omit<GuardOptions, 'gateways'> = {
  whenAway: { Budget: 'Closed', Rate: 'LocalShare' },
  timeoutMs: 500,
  breaker: { failures: 5, probeEveryMs: 1_000 },
  now: Date.now,
  onFailure: () => undefined,
}

/** A ledger that may be down or slow: bounded waits, a circuit breaker, and a documented answer for each class of limits. */
export class GuardedLedger implements Ledger {
  readonly #store: Ledger
  readonly #options: GuardOptions
  readonly #breaker: CircuitBreaker
  readonly #local: MemoryLedger
  /** Holds that were granted here alone. */
  readonly #granted = new Map<string, number>()
  readonly #late = new LateSettlements()
  #telling = false

  constructor(store: Ledger, options: GuardOptions) {
    this.#store = store
    this.#options = options
    this.#breaker = new CircuitBreaker(options.breaker, options.now)
    this.#local = new MemoryLedger(options.now)
  }

  /** For readiness and metrics. */
  get isAway(): boolean {
    return this.#breaker.isOpen
  }

  /** Settlements that wait for the store, and those that were given up. */
  get late(): { readonly waiting: number; readonly forgotten: number } {
    return { waiting: this.#late.size, forgotten: this.#late.forgotten }
  }

  async try(hold: Hold): Promise<Granted | Refused> {
    try {
      return await this.#ask(() => this.#store.try(hold))
    } catch (error) {
      return this.#tryAlone(hold, asAway(error))
    }
  }

  async renew(holdId: string, renewal: Renewal): Promise<RenewOutcome> {
    return this.#isLocal(holdId)
      ? this.#local.renew(holdId, renewal)
      : this.#ask(() => this.#store.renew(holdId, renewal))
  }

  /** Never fails because the store is away: it is told later then, and the answer says `Settled`. */
  async settle(holdId: string, settlement: Settlement): Promise<SettleOutcome> {
    if (this.#isLocal(holdId)) {
      this.#granted.delete(holdId)
      return this.#local.settle(holdId, settlement)
    }
    try {
      return await this.#ask(() => this.#store.settle(holdId, settlement))
    } catch (error) {
      asAway(error)
      this.#late.keep(holdId, settlement)
      return 'Settled'
    }
  }

  lapsed(ageMs: number): Promise<readonly LapsedHold[]> {
    return this.#ask(() => this.#store.lapsed(ageMs))
  }

  read(keys: readonly string[]): Promise<readonly Counter[]> {
    return this.#ask(() => this.#store.read(keys))
  }

  async close(): Promise<void> {
    await this.#tellLate().catch(asAway)
    await this.#store.close()
  }

  async #ask<T>(call: () => Promise<T>): Promise<T> {
    if (!this.#breaker.admits()) {
      throw new LedgerError('Unavailable', 'The store of limits is away.')
    }
    try {
      const answer = await inTime(call(), this.#options.timeoutMs)
      this.#breaker.succeeded()
      this.#tellLateSoon()
      return answer
    } catch (error) {
      if (isAway(error)) {
        this.#breaker.failed()
        this.#options.onFailure(error)
      }
      throw error
    }
  }

  async #tryAlone(hold: Hold, away: LedgerError): Promise<Granted | Refused> {
    const modeOf = (line: Line): AwayMode => this.#options.whenAway[line.class]
    if (hold.lines.some((line) => line.cap !== undefined && modeOf(line) === 'Closed')) {
      throw away
    }
    const gateways = this.#options.gateways()
    const capHere = (line: Line): number | undefined =>
      modeOf(line) === 'Open' ? greatest : line.cap && shareOfCap(line.cap, gateways)
    const lines = hold.lines.map((line) => ({ ...line, cap: capHere(line) }))
    const answer = await this.#local.try({ ...hold, lines })
    if (answer.outcome === 'Granted') {
      this.#remember(hold)
    }
    return answer
  }

  /** For a day, which no hold outlives. */
  #remember(hold: Hold): void {
    const nowMs = this.#options.now()
    for (const [id, untilMs] of this.#granted) {
      if (untilMs > nowMs) {
        break
      }
      this.#granted.delete(id)
    }
    this.#granted.set(hold.id, nowMs + 86_400_000)
  }

  #isLocal(holdId: string): boolean {
    return this.#granted.has(holdId)
  }

  #tellLateSoon(): void {
    if (this.#late.size > 0 && !this.#telling) {
      this.#telling = true
      void this.#tellLate()
        .catch(asAway)
        .finally(() => {
          this.#telling = false
        })
    }
  }

  #tellLate(): Promise<void> {
    return this.#late.tell((holdId, settlement) =>
      inTime(this.#store.settle(holdId, settlement), this.#options.timeoutMs),
    )
  }
}

function isAway(error: unknown): error is LedgerError {
  return error instanceof LedgerError && error.code !== 'ClockSkew'
}

/** Anything else is no outage. */
function asAway(error: unknown): LedgerError {
  if (isAway(error)) {
    return error
  }
  throw error
}
