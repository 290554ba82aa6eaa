import type { Limits } from '../../api/limits.ts'
import type { WindowCache } from '../../core/window-cache.ts'
import { retention } from '../../ledger/retention.ts'

/** Users of one tenant with counters of their own at once. */
const maxUsers = 20_000

/**
 * Whose counters a user's requests go to. A tenant may send as many users as it likes, and each is a counter until its window
 * is over; above a bound they share 64 of them, so that neither memory nor a ledger grows without end.
 */
export class UserBuckets {
  readonly #windows: WindowCache
  /** By tenant: users and until when they have counters; whose end comes last stands last. */
  readonly #users = new Map<string, Map<string, number>>()
  #lookAtMs = 0

  constructor(windows: WindowCache) {
    this.#windows = windows
  }

  /** @param userHash empty: all who are not named */
  bucketOf(tenant: string, userHash: string, limits: Limits, nowMs: number): string {
    const untilMs = this.#keptUntil(limits, nowMs)
    if (userHash === '' || untilMs === undefined) {
      return userHash
    }
    this.#dropOld(nowMs)
    const users = this.#users.get(tenant) ?? new Map<string, number>()
    this.#users.set(tenant, users)
    if (users.get(userHash) === untilMs) {
      return userHash
    }
    if (!users.delete(userHash) && users.size >= maxUsers) {
      return `others-${userHash.slice(0, 1)}`
    }
    users.set(userHash, untilMs)
    return userHash
  }

  /** As long as the longest of its windows is remembered; what is no window goes with its requests. */
  #keptUntil(limits: Limits, nowMs: number): number | undefined {
    const { requestsPerDay, tokensPerDay, requestsPerMinute, tokensPerMinute } = limits
    const isDay = requestsPerDay !== undefined || tokensPerDay !== undefined
    const isMinute = requestsPerMinute !== undefined || tokensPerMinute !== undefined
    return isDay || isMinute
      ? this.#windows.at(isDay ? 'Day' : 'Minute', 'UTC', nowMs).endsAtMs + retention.counterMs
      : undefined
  }

  /** Once a minute, of all tenants: some of them may never come again. */
  #dropOld(nowMs: number): void {
    if (nowMs < this.#lookAtMs) {
      return
    }
    this.#lookAtMs = nowMs + retention.counterMs
    for (const [tenant, users] of this.#users) {
      for (const [user, untilMs] of users) {
        if (untilMs > nowMs) {
          break
        }
        users.delete(user)
      }
      if (users.size === 0) {
        this.#users.delete(tenant)
      }
    }
  }
}
