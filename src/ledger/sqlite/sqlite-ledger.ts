import { LedgerBook, type BookCounter } from '../book.ts'
import { checkHold, checkRenewal, checkUsed } from '../check-hold.ts'
import { isBudget } from '../is-budget.ts'
import { LedgerError } from '../ledger-error.ts'
import { retention } from '../retention.ts'
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
} from '../types.ts'
import { BillNotes } from './bill-notes.ts'
import { CounterJournal, type JournalRow } from './counter-journal.ts'
import { FileLock } from './file-lock.ts'

/**
 * For one process that may be killed. Counters live in memory; the file says of each how far its use may have come, a
 * block ahead, so that most requests write nothing. After a kill that much counts as used: never less than what was settled
 * or noted, and at most a block too much (`blockOf` in `book.ts`). A clean end writes the exact values. What holds of a
 * killed process say of their bills lies beside the counters: they are `lapsed` at once in the next one.
 */
export class SqliteLedger implements Ledger {
  readonly #book = new LedgerBook()
  readonly #journal: CounterJournal
  readonly #notes: BillNotes
  readonly #lock: FileLock | undefined
  readonly #now: () => number
  #dropAtMs = 0
  /** Why the file is behind what is used: budgets are closed until it has caught up. */
  #behind: unknown
  #isClosed = false

  /** @throws UserError when another process has the file, or it is no good. `:memory:` is for tests. */
  constructor(
    path: string,
    now: () => number = Date.now,
    log: (message: string) => void = () => undefined,
  ) {
    this.#now = now
    this.#journal = new CounterJournal(path)
    this.#lock = path === ':memory:' ? undefined : this.#takeLock(path)
    this.#notes = new BillNotes(path, now, (error) => log(`bills so far: ${String(error)}`))
    const nowMs = now()
    for (const { key, value, endsAtMs } of this.#journal.rows()) {
      if (endsAtMs + retention.counterMs > nowMs) {
        this.#book.restore(key, value, endsAtMs)
      }
    }
  }

  async try(hold: Hold): Promise<Granted | Refused> {
    checkHold(hold)
    if (this.#behind !== undefined && hold.lines.some(isBudget)) {
      this.#write([...this.#book.counters()])
      if (this.#behind !== undefined) {
        throw new LedgerError('Unavailable', 'The ledger cannot be written.', this.#behind)
      }
    }
    const answer = this.#book.try(hold, this.#now())
    if (answer.outcome === 'Granted') {
      this.#keepNote(hold.id, hold.note)
    }
    return answer
  }

  async renew(holdId: string, renewal: Renewal): Promise<RenewOutcome> {
    checkRenewal(renewal)
    const outcome = this.#book.renew(holdId, renewal, this.#now())
    this.#keepAhead(this.#book.countersOf(holdId))
    if (outcome === 'Renewed') {
      this.#keepNote(holdId, renewal.note)
    }
    return outcome
  }

  async settle(holdId: string, settlement: Settlement): Promise<SettleOutcome> {
    checkUsed(settlement.used)
    if (this.#notes.adopted(holdId)) {
      // Its counters were written ahead of it.
      return 'Corrected'
    }
    this.#notes.ended(holdId)
    const counters = this.#book.countersOf(holdId)
    const outcome = this.#book.settle(holdId, settlement, this.#now())
    this.#keepAhead(counters)
    return outcome
  }

  async lapsed(ageMs: number): Promise<readonly LapsedHold[]> {
    return [...this.#notes.orphans(), ...this.#book.lapsed(ageMs, this.#now())].slice(
      0,
      retention.lapsedTold,
    )
  }

  async read(keys: readonly string[]): Promise<readonly Counter[]> {
    return this.#book.read(keys, this.#now())
  }

  /** Live holds are booked at their last usage. */
  async close(): Promise<void> {
    if (this.#isClosed) {
      return
    }
    this.#isClosed = true
    try {
      this.#book.tick(this.#now())
      this.#journal.write([...this.#book.counters()].filter(isFlow).map(exactly))
    } finally {
      this.#notes.close()
      this.#journal.close()
      this.#lock?.release()
    }
  }

  #keepNote(holdId: string, note = ''): void {
    if (note !== '') {
      this.#notes.put(holdId, note)
    }
  }

  #takeLock(path: string): FileLock {
    try {
      return FileLock.take(path)
    } catch (error) {
      this.#journal.close()
      throw error
    }
  }

  /** Before anybody hears of a use, the file covers it. */
  #keepAhead(counters: readonly BookCounter[]): void {
    if (counters.some((counter) => isFlow(counter) && knownUse(counter) > counter.journaled)) {
      this.#write(counters)
    }
  }

  /** Those that will soon need it are written along. */
  #write(counters: readonly BookCounter[]): void {
    const due = counters.filter(
      (counter) => isFlow(counter) && knownUse(counter) + counter.block / 2 > counter.journaled,
    )
    const rows = due.map(ahead)
    try {
      this.#journal.write(rows)
      this.#dropOld()
      this.#behind = undefined
    } catch (error) {
      this.#behind = error
      return
    }
    for (const [index, counter] of due.entries()) {
      counter.journaled = rows[index]?.value ?? counter.journaled
    }
  }

  #dropOld(): void {
    const nowMs = this.#now()
    if (nowMs >= this.#dropAtMs) {
      this.#journal.dropBefore(nowMs - retention.counterMs)
      this.#dropAtMs = nowMs + retention.counterMs
    }
  }
}

function isFlow({ kind }: BookCounter): boolean {
  return kind === 'Flow'
}

function knownUse({ committed, noted }: BookCounter): number {
  return committed + noted
}

/** Up to the cap and no further, so that a kill never makes a counter pass it. */
function ahead(counter: BookCounter): JournalRow {
  const known = knownUse(counter)
  const value = Math.max(known, Math.min(known + counter.block, counter.cap))
  return { key: counter.key, value, endsAtMs: counter.endsAtMs }
}

function exactly(counter: BookCounter): JournalRow {
  return { key: counter.key, value: knownUse(counter), endsAtMs: counter.endsAtMs }
}
