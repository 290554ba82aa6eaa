import type { LedgerError } from './ledger-error.ts'

const againMs = 60_000

/** Says why a store of limits is of no use, once a minute for each reason: it is asked for every request. */
export class FailureLog {
  readonly #log: (message: string) => void
  readonly #now: () => number
  readonly #saidMs = new Map<string, number>()

  constructor(log: (message: string) => void, now: () => number = Date.now) {
    this.#log = log
    this.#now = now
  }

  note({ code, message }: LedgerError): void {
    const nowMs = this.#now()
    if (nowMs - (this.#saidMs.get(code) ?? Number.NEGATIVE_INFINITY) < againMs) {
      return
    }
    this.#saidMs.set(code, nowMs)
    this.#log(
      code === 'Closed'
        ? `the store of limits is closed, and budgets refuse: ${message}`
        : `the store of limits does not answer: ${message}`,
    )
  }
}
