import { UserError } from '../errors.ts'
import { LedgerError } from './ledger-error.ts'
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

/** A ledger whose store may not be there yet: each call tries to open it, until it is. */
export class LateLedger implements Ledger {
  readonly #open: () => Promise<Ledger>
  #opening: Promise<Ledger> | undefined

  constructor(open: () => Promise<Ledger>) {
    this.#open = open
  }

  /** Opens it now. @throws UserError for what no waiting mends; a store that does not answer yet is no error. */
  async begin(): Promise<void> {
    await this.#store().catch((error: unknown) => {
      if (!(error instanceof LedgerError) || error.cause instanceof UserError) {
        throw error instanceof LedgerError ? error.cause : error
      }
    })
  }

  async try(hold: Hold): Promise<Granted | Refused> {
    return (await this.#store()).try(hold)
  }

  async renew(holdId: string, renewal: Renewal): Promise<RenewOutcome> {
    return (await this.#store()).renew(holdId, renewal)
  }

  async settle(holdId: string, settlement: Settlement): Promise<SettleOutcome> {
    return (await this.#store()).settle(holdId, settlement)
  }

  async lapsed(ageMs: number): Promise<readonly LapsedHold[]> {
    return (await this.#store()).lapsed(ageMs)
  }

  async read(keys: readonly string[]): Promise<readonly Counter[]> {
    return (await this.#store()).read(keys)
  }

  async close(): Promise<void> {
    const store = await this.#opening?.catch(() => undefined)
    await store?.close()
  }

  /** Calls at the same time share one attempt. */
  #store(): Promise<Ledger> {
    this.#opening ??= this.#open().catch((error: unknown) => {
      this.#opening = undefined
      throw error instanceof UserError ? new LedgerError('Closed', error.message, error) : error
    })
    return this.#opening
  }
}
