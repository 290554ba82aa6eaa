import { pricesOf, type PoolPrices } from '../../core/prices.ts'
import type { Caller, RouteTarget } from '../../core/resolve.ts'
import type { Cap } from '../../core/terms.ts'
import { WindowCache } from '../../core/window-cache.ts'
import { LoraplexError } from '../../errors.ts'
import { LiveHolds } from '../../ledger/live-holds.ts'
import type { Ledger } from '../../ledger/types.ts'
import type { UsageRecord, UsageStore } from '../../ledger/usage/types.ts'
import type { InferenceRequest } from '../inference-request.ts'
import { Charge, type ChargeMeans } from './charge.ts'
import { contextWindowOf } from './context-window.ts'
import { KnownUsers, type KnownUser } from './known-users.ts'
import { outputBoundOf } from './output-bound.ts'

export interface MeterOptions {
  readonly ledger: Ledger
  /** Where bills can be read; absent: nowhere. */
  readonly usage?: UsageStore
  /** Takes what was used; never waits. */
  readonly record: (record: UsageRecord) => void
  /** Key of the hashes that stand for users. */
  readonly userSecret: Buffer
  /** ISO 4217 in lower case, of all prices; `usd` where nobody said. */
  readonly currency?: string
  /** For what goes wrong beside a request. */
  readonly log?: (message: string) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** What requests take of limits and budgets, and what they are billed. */
export class Meter implements ChargeMeans {
  readonly ledger: Ledger
  readonly holds: LiveHolds
  readonly usage: UsageStore | undefined
  readonly record: (record: UsageRecord) => void
  readonly currency: string
  readonly windows = new WindowCache()
  readonly now: () => number
  readonly onFault: (error: unknown) => void
  readonly #users: KnownUsers

  constructor(options: MeterOptions) {
    this.ledger = options.ledger
    this.usage = options.usage
    this.currency = options.currency ?? 'usd'
    this.holds = new LiveHolds(options.ledger, { log: (message) => options.log?.(message) })
    this.record = options.record
    this.now = options.now ?? Date.now
    this.onFault = (error) => options.log?.(String(error))
    this.#users = new KnownUsers(options.userSecret)
  }

  /** Holds are renewed no more. */
  close(): void {
    this.holds.close()
  }

  /**
   * For one request, before it looks for an engine.
   * @throws LoraplexError where it asks for more than it may, or cannot be priced
   */
  charge(caller: Caller, target: RouteTarget, request: InferenceRequest, id: string): Charge {
    const { pool } = target
    const { measure } = request
    const user = this.#users.of(caller.tenant, measure.user)
    const prices = pricesOf(pool)
    const isFree = measure.inputTokens === 0 && measure.answers === 0
    const caps = this.#capsOf(caller, target, user, prices, isFree)
    const mustBeKnown = caps.some(({ counts }) => counts === 'Tokens' || counts === 'Nanos')
    const output = outputBoundOf(
      measure,
      caller.terms,
      target.terms,
      contextWindowOf(pool),
      mustBeKnown,
    )
    const userHash = user.hash
    return new Charge(this, { id, caller, target, request, caps, prices, output, userHash })
  }

  #capsOf(
    caller: Caller,
    target: RouteTarget,
    user: KnownUser,
    prices: PoolPrices,
    isFree: boolean,
  ): readonly Cap[] {
    const { terms } = caller
    const { perUser } = terms
    if (target.terms === undefined && perUser === undefined && prices.tokens !== undefined) {
      return terms.caps
    }
    const caps = [...terms.caps, ...(target.terms?.caps ?? []), ...user.capsOf(perUser)]
    if (prices.tokens !== undefined || isFree) {
      return caps
    }
    const unpriced = caps.find(({ counts, blocks }) => counts === 'Nanos' && blocks)
    if (unpriced !== undefined) {
      throw new LoraplexError(
        'price_missing',
        `The budget '${unpriced.name}' is in money, and the pool of this model has no prices. Ask the operator of this service.`,
      )
    }
    return caps.filter(({ counts }) => counts !== 'Nanos')
  }
}
