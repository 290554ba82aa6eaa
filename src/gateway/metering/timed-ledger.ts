import { LedgerError, type LedgerErrorCode } from '../../ledger/ledger-error.ts'
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
} from '../../ledger/types.ts'

export type LedgerCall = 'try' | 'renew' | 'settle' | 'read'

/** Told of each call when it ends, with why it failed if it did. */
export type OnLedgerCall = (
  call: LedgerCall,
  seconds: number,
  failure: LedgerErrorCode | 'Other' | undefined,
) => void

/** A ledger that says how long it took. */
export class TimedLedger implements Ledger {
  readonly #ledger: Ledger
  readonly #onCall: OnLedgerCall

  constructor(ledger: Ledger, onCall: OnLedgerCall) {
    this.#ledger = ledger
    this.#onCall = onCall
  }

  try(hold: Hold): Promise<Granted | Refused> {
    return this.#timed('try', this.#ledger.try(hold))
  }

  renew(holdId: string, renewal: Renewal): Promise<RenewOutcome> {
    return this.#timed('renew', this.#ledger.renew(holdId, renewal))
  }

  settle(holdId: string, settlement: Settlement): Promise<SettleOutcome> {
    return this.#timed('settle', this.#ledger.settle(holdId, settlement))
  }

  lapsed(ageMs: number): Promise<readonly LapsedHold[]> {
    return this.#ledger.lapsed(ageMs)
  }

  read(keys: readonly string[]): Promise<readonly Counter[]> {
    return this.#timed('read', this.#ledger.read(keys))
  }

  close(): Promise<void> {
    return this.#ledger.close()
  }

  async #timed<T>(call: LedgerCall, answer: Promise<T>): Promise<T> {
    const startedAt = performance.now()
    const seconds = (): number => (performance.now() - startedAt) / 1000
    try {
      const value = await answer
      this.#onCall(call, seconds(), undefined)
      return value
    } catch (error) {
      this.#onCall(call, seconds(), error instanceof LedgerError ? error.code : 'Other')
      throw error
    }
  }
}
