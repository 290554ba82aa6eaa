import { LedgerBook } from './book.ts'
import { checkHold, checkRenewal, checkUsed } from './check-hold.ts'
import type {
  Counter,
  Granted,
  Hold,
  LapsedHold,
  Ledger,
  Refused,
  Renewal,
  RenewOutcome,
  Settlement,
  SettleOutcome,
} from './types.ts'

/** For one process, and for as long as it lives. */
export class MemoryLedger implements Ledger {
  readonly #book = new LedgerBook()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  async try(hold: Hold): Promise<Granted | Refused> {
    checkHold(hold)
    return this.#book.try(hold, this.#now())
  }

  async renew(holdId: string, renewal: Renewal): Promise<RenewOutcome> {
    checkRenewal(renewal)
    return this.#book.renew(holdId, renewal, this.#now())
  }

  async settle(holdId: string, settlement: Settlement): Promise<SettleOutcome> {
    checkUsed(settlement.used)
    return this.#book.settle(holdId, settlement, this.#now())
  }

  async lapsed(ageMs: number): Promise<readonly LapsedHold[]> {
    return this.#book.lapsed(ageMs, this.#now())
  }

  async read(keys: readonly string[]): Promise<readonly Counter[]> {
    return this.#book.read(keys, this.#now())
  }

  async close(): Promise<void> {}
}
