import { z } from 'zod'
import { released } from '../../ledger/released.ts'
import { retention } from '../../ledger/retention.ts'
import type { LapsedHold, Ledger } from '../../ledger/types.ts'
import type { UsageRecord, UsageStore } from '../../ledger/usage/types.ts'

export interface LapsedBillsOptions {
  /**
   * A hold lapsed at least so long ago: a gateway that was cut off from the store for less than that bills its requests
   * itself.
   */
  readonly ageMs: number
  readonly everyMs: number
  readonly log: (message: string) => void
}

const defaults: Omit<LapsedBillsOptions, 'log'> = { ageMs: 120_000, everyMs: 10_000 }

const count = z.int().min(0)
/** What a gateway wrote into its holds: the record as it would be if the request ended there. */
const note = z.object({
  atMs: count,
  tenant: z.string(),
  namespace: z.string(),
  adapter: z.string(),
  revision: z.string(),
  pool: z.string(),
  keyId: z.string(),
  userHash: z.string(),
  inputTokens: count,
  cachedTokens: count,
  outputTokens: count,
  gpuMs: count,
  inputNanos: count,
  cachedNanos: count,
  outputNanos: count,
  gpuNanos: count,
})

/**
 * I6: bills what gateways left behind that were killed, as a lower bound. Several may do so at once, and any of them may die
 * over it: the record is written before the hold goes off the list, and counts once by its attempt's id.
 */
export class LapsedBills {
  readonly #ledger: Ledger
  readonly #usage: UsageStore
  readonly #options: LapsedBillsOptions
  #timer: NodeJS.Timeout | undefined
  #working: Promise<unknown> = Promise.resolve()
  #isClosed = false
  #isFailing = false

  constructor(
    ledger: Ledger,
    usage: UsageStore,
    options: Partial<LapsedBillsOptions> & Pick<LapsedBillsOptions, 'log'>,
  ) {
    this.#ledger = ledger
    this.#usage = usage
    this.#options = { ...defaults, ...options }
  }

  /** Now, and every few seconds. */
  start(): void {
    this.#working = this.billAll()
      .then(
        () => {
          this.#isFailing = false
        },
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        if (!this.#isClosed) {
          this.#timer = setTimeout(() => this.start(), this.#options.everyMs).unref()
        }
      })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#working
  }

  /** Told once, not every few seconds. */
  #failed(error: unknown): void {
    if (!this.#isFailing) {
      this.#options.log(`what killed gateways left behind is not billed yet: ${String(error)}`)
    }
    this.#isFailing = true
  }

  /** Answers how many were billed. Rejects with a LedgerError where a store cannot answer. */
  async billAll(): Promise<number> {
    let billed = 0
    for (;;) {
      const lapsed = await this.#ledger.lapsed(this.#options.ageMs)
      const records = lapsed.flatMap((hold) => this.#recordOf(hold))
      if (records.length > 0) {
        await this.#usage.append(records)
      }
      for (const { id } of lapsed) {
        await this.#ledger.settle(id, released)
      }
      billed += records.length
      if (lapsed.length < retention.lapsedTold || this.#isClosed) {
        return billed
      }
    }
  }

  /** Nothing was known to be used where nothing was noted. */
  #recordOf({ id, note: text }: LapsedHold): readonly UsageRecord[] {
    if (text === '') {
      return []
    }
    const { data } = note.safeParse(parsed(text))
    if (data === undefined) {
      this.#options.log(`The bill of the attempt ${id} is of another version; it is lost.`)
      return []
    }
    return [{ ...data, attemptId: id, exactness: 'LowerBound' }]
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
