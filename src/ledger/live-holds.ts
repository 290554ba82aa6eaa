import { Bag, nowhere } from '../core/bag.ts'
import { released } from './released.ts'
import type { Counter, Hold, Ledger, Refused, Settlement, SettleOutcome } from './types.ts'

export interface LiveHoldsOptions {
  /** A hold whose gateway died lapses after this long. */
  readonly leaseMs: number
  /** How old the usage at which it is booked then can be (I6). */
  readonly renewEveryMs: number
  readonly log: (message: string) => void
}

const defaults: Omit<LiveHoldsOptions, 'log'> = { leaseMs: 10_000, renewEveryMs: 1_000 }

/** What a request has used so far. */
export interface UseSoFar {
  /** In the order of the hold's lines. */
  readonly used: readonly number[]
  /** For whoever bills it, should this process die. */
  readonly bill: string
}

/** So many times within `renewEveryMs` it is looked which holds are due: all at once would keep everybody waiting. */
const slices = 10

/** A granted hold of a request under way. */
export class LiveHold implements UseSoFar {
  readonly id: string
  /** As they stood when it was granted, in the order of its lines. */
  readonly counters: readonly Counter[]
  readonly #holds: LiveHolds
  seat = nowhere
  /** Asked before each renewal; undefined: nothing is known yet, or no more than before. */
  useSoFar: () => UseSoFar | undefined = () => undefined
  /** As the ledger heard it last, or has to. */
  used: readonly number[] = []
  bill = ''
  isNews = false
  renewedAtMs: number
  dueMs: number

  constructor(id: string, counters: readonly Counter[], holds: LiveHolds, nowMs: number) {
    this.id = id
    this.counters = counters
    this.#holds = holds
    this.renewedAtMs = nowMs
    this.dueMs = nowMs
  }

  settle(settlement: Settlement): Promise<SettleOutcome> {
    return this.#holds.end(this, settlement)
  }

  /** The request never began. */
  release(): Promise<SettleOutcome> {
    return this.#holds.end(this, released)
  }
}

/** The holds of one gateway's requests under way, renewed by one timer for all of them. */
export class LiveHolds {
  readonly #ledger: Ledger
  readonly #options: LiveHoldsOptions
  readonly #live = new Bag<LiveHold>()
  readonly #timer: NodeJS.Timeout

  constructor(ledger: Ledger, options: Partial<LiveHoldsOptions> & Pick<LiveHoldsOptions, 'log'>) {
    this.#ledger = ledger
    this.#options = { ...defaults, ...options }
    this.#timer = setInterval(() => this.#renewDue(), this.#options.renewEveryMs / slices).unref()
  }

  get size(): number {
    return this.#live.size
  }

  /** @throws LedgerError when the ledger cannot answer. */
  async begin(hold: Omit<Hold, 'expiresInMs'>): Promise<LiveHold | Refused> {
    const answer = await this.#ledger.try({ ...hold, expiresInMs: this.#options.leaseMs })
    if (answer.outcome === 'Refused') {
      return answer
    }
    const live = new LiveHold(hold.id, answer.counters, this, performance.now())
    this.#live.add(live)
    return live
  }

  async end(hold: LiveHold, settlement: Settlement): Promise<SettleOutcome> {
    this.#live.delete(hold)
    return this.#ledger.settle(hold.id, settlement)
  }

  /** Holds that are still live lapse, or are booked by a store that ends with this process. */
  close(): void {
    clearInterval(this.#timer)
  }

  /** Those with news, and those whose lease is a third gone. */
  #renewDue(): void {
    const nowMs = performance.now()
    const { leaseMs, renewEveryMs } = this.#options
    for (const hold of this.#live) {
      if (nowMs < hold.dueMs) {
        continue
      }
      hold.dueMs = nowMs + renewEveryMs * (1 - 1 / slices)
      const news = hold.useSoFar()
      if (news !== undefined) {
        hold.used = news.used
        hold.bill = news.bill
      }
      if (news !== undefined || hold.isNews || nowMs - hold.renewedAtMs >= leaseMs / 3) {
        this.#renew(hold, nowMs)
      }
    }
  }

  #renew(hold: LiveHold, nowMs: number): void {
    hold.isNews = false
    hold.renewedAtMs = nowMs
    const renewal = { expiresInMs: this.#options.leaseMs, used: hold.used, note: hold.bill }
    this.#ledger.renew(hold.id, renewal).catch((error: unknown) => {
      // Told again a second later; the hold lasts longer than that.
      hold.isNews = true
      this.#options.log(`a hold was not renewed: ${String(error)}`)
    })
  }
}
