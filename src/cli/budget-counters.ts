import type { ModelTenant } from '../api/model-tenant.ts'
import { budgetCapsOf } from '../core/terms.ts'
import { windowAt } from '../core/window.ts'
import { counterKey } from '../ledger/counter-key.ts'
import type { KnownCounter } from '../ledger/redis/redis-ledger.ts'
import type { UsageStore } from '../ledger/usage/types.ts'

/** What of each budget is used already, by the bills. Rates are not in there: their windows are short. @throws LedgerError */
export async function budgetCounters(
  tenants: Iterable<ModelTenant>,
  usage: UsageStore,
  nowMs: number,
): Promise<readonly KnownCounter[]> {
  const counters: KnownCounter[] = []
  for (const tenant of tenants) {
    for (const { window, counts, counter } of budgetCapsOf(tenant)) {
      if (window === undefined) {
        continue
      }
      const { id, startsAtMs, endsAtMs } = windowAt(window.unit, window.timeZone, nowMs)
      const [sum] = await usage.query({
        fromMs: startsAtMs,
        toMs: nowMs + 1,
        tenant: tenant.metadata.name,
        groupBy: [],
        limit: 1,
      })
      const used =
        sum === undefined
          ? 0n
          : counts === 'Tokens'
            ? sum.inputTokens + sum.outputTokens
            : sum.inputNanos + sum.cachedNanos + sum.outputNanos
      counters.push({ key: counterKey(...counter, id), committed: Number(used), endsAtMs })
    }
  }
  return counters
}
