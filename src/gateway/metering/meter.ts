import type { Limits } from '../../api/limits.ts'
import { pricesOf, type PoolPrices } from '../../core/prices.ts'
import type { Caller, RouteTarget } from '../../core/resolve.ts'
import { shareOfCap } from '../../core/share-of-cap.ts'
import { smallestOf, type Cap } from '../../core/terms.ts'
import { WindowCache } from '../../core/window-cache.ts'
import { LoraplexError } from '../../errors.ts'
import { LiveHolds, type LiveHoldsOptions } from '../../ledger/live-holds.ts'
import type { Ledger } from '../../ledger/types.ts'
import type { UsageRecord, UsageStore } from '../../ledger/usage/types.ts'
import type { InferenceRequest } from '../request/inference-request.ts'
import { Charge, type ChargeMeans } from './charge.ts'
import { contextWindowOf } from './context-window.ts'
import { inputBoundOf } from './input-bound.ts'
import { KnownUsers, type KnownUser } from './known-users.ts'
import { LimitWatch } from './limit-watch.ts'
import type { StoreHealth } from './store-health.ts'
import { TimedLedger } from './timed-ledger.ts'
import { outputBoundOf } from './output-bound.ts'
import type { PoolEngines } from './pool-engines.ts'
import { PromptSize } from './prompt-size.ts'
import { UserBuckets } from './user-buckets.ts'

export interface MeterOptions {
  readonly ledger: Ledger
  /** Where bills can be read; absent: nowhere. */
  readonly usage?: UsageStore
  /** Takes what was used; never waits. */
  readonly record: (record: UsageRecord) => void
  /** Key of the hashes that stand for users. */
  readonly userSecret: Buffer
  readonly holds?: Partial<Omit<LiveHoldsOptions, 'log'>>
  /** Gateways that count by themselves: each grants its share of a cap. 1 where they count together. */
  readonly gateways?: number
  /** ISO 4217 in lower case, of all prices; `usd` where nobody said. */
  readonly currency?: string
  /** For what goes wrong beside a request. */
  readonly log?: (message: string) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Absent: stores that cannot be away. */
  readonly health?: () => StoreHealth
}

const healthy: StoreHealth = {
  ledgerIsAway: false,
  settlementsWaiting: 0,
  settlementsLost: 0,
  recordsWaiting: 0,
  recordsLost: 0,
}

/** What requests take of limits and budgets, and what they are billed. */
export class Meter implements ChargeMeans {
  readonly ledger: Ledger
  readonly holds: LiveHolds
  readonly usage: UsageStore | undefined
  readonly record: (record: UsageRecord) => void
  readonly keepsBills: boolean
  readonly currency: string
  readonly windows = new WindowCache()
  readonly watch: LimitWatch
  readonly now: () => number
  readonly onFault: (error: unknown) => void
  readonly #gateways: number
  /** By the caps of a routing table: this gateway's share of them. */
  readonly #shares = new WeakMap<readonly Cap[], readonly Cap[]>()
  readonly #users: KnownUsers
  readonly #buckets = new UserBuckets(this.windows)

  constructor(options: MeterOptions) {
    this.now = options.now ?? Date.now
    this.watch = new LimitWatch(options.health ?? (() => healthy), () => this.holds.size, this.now)
    this.ledger = new TimedLedger(options.ledger, (call, seconds, failure) =>
      this.watch.called(call, seconds, failure),
    )
    this.usage = options.usage
    this.keepsBills = options.usage !== undefined
    this.currency = options.currency ?? 'usd'
    this.#gateways = options.gateways ?? 1
    this.holds = new LiveHolds(this.ledger, {
      ...options.holds,
      log: (message) => options.log?.(message),
    })
    this.record = options.record
    this.onFault = (error) => options.log?.(String(error))
    this.#users = new KnownUsers(options.userSecret)
  }

  /** As they hold at this gateway. */
  shareOf(caps: readonly Cap[]): readonly Cap[] {
    if (this.#gateways === 1) {
      return caps
    }
    const known = this.#shares.get(caps)
    const shares =
      known ?? caps.map((cap) => ({ ...cap, cap: shareOfCap(cap.cap, this.#gateways) }))
    this.#shares.set(caps, shares)
    return shares
  }

  /** Holds are renewed no more. */
  close(): void {
    this.holds.close()
  }

  /**
   * For one request, before it looks for an engine.
   * @throws LoraplexError where it asks for more than it may, or cannot be priced
   */
  charge(
    caller: Caller,
    target: RouteTarget,
    request: InferenceRequest,
    id: string,
    engines: PoolEngines,
  ): Charge {
    const { pool } = target
    const { measure } = request
    const user = this.#users.of(caller.tenant, measure.user)
    const prices = pricesOf(pool)
    const isFree = measure.inputTokens === 0 && measure.answers === 0
    const caps = this.#capsOf(caller, target, user, prices, isFree)
    const mustBeKnown = caps.some(({ counts }) => counts === 'Tokens' || counts === 'Nanos')
    const contextWindow = contextWindowOf(pool, engines.contextWindow)
    const output = outputBoundOf(measure, caller.terms, target.terms, contextWindow, mustBeKnown)
    const prompt = new PromptSize(
      request,
      inputBoundOf(measure, contextWindow),
      smallestOf('maxInputTokens', caller.terms, target.terms),
      (question) => engines.count(question),
    )
    return new Charge(this, {
      id,
      caller,
      target,
      request,
      prompt,
      contextWindow,
      caps,
      prices,
      output,
      userHash: user.hash,
    })
  }

  /** Of one user as requests name it, or of the bucket that it shares with others. */
  capsOfUser(tenant: string, user: string, limits: Limits): readonly Cap[] {
    return this.#capsOfUser(tenant, this.#users.of(tenant, user), limits)
  }

  #capsOfUser(tenant: string, user: KnownUser, limits: Limits): readonly Cap[] {
    return user.capsOf(limits, this.#buckets.bucketOf(tenant, user.hash, limits, this.now()))
  }

  #capsOf(
    caller: Caller,
    target: RouteTarget,
    user: KnownUser,
    prices: PoolPrices,
    isFree: boolean,
  ): readonly Cap[] {
    const { terms, tenant } = caller
    const { perUser } = terms
    if (target.terms === undefined && perUser === undefined && prices.tokens !== undefined) {
      return this.shareOf(terms.caps)
    }
    const caps = [
      ...this.shareOf(terms.caps),
      ...this.shareOf(target.terms?.caps ?? []),
      ...(perUser === undefined ? [] : this.shareOf(this.#capsOfUser(tenant, user, perUser))),
    ]
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
