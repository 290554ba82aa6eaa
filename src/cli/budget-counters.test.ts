import { expect, test } from 'vitest'
import { aTenant } from '../../test/support/builders.ts'
import { budgetCounters } from './budget-counters.ts'
import { MemoryUsage } from '../ledger/usage/memory-usage.ts'
import type { UsageRecord } from '../ledger/usage/types.ts'

function record(attemptId: string, tenant: string, atMs: number): UsageRecord {
  const names = { namespace: '', adapter: '', revision: '', pool: '', keyId: '', userHash: '' }
  const costs = { inputNanos: 7, cachedNanos: 2, outputNanos: 30, gpuNanos: 99 }
  const counts = { inputTokens: 10, cachedTokens: 3, outputTokens: 5, gpuMs: 1 }
  return { attemptId, tenant, atMs, ...names, ...counts, ...costs, exactness: 'Exact' }
}

test('a budget has used what the bills of its window and tenant say', async () => {
  const usage = new MemoryUsage()
  const nowMs = Date.UTC(2026, 10, 21, 8)
  await usage.append([
    record('this month', 'acme', Date.UTC(2026, 10, 2)),
    record('today', 'acme', Date.UTC(2026, 10, 21, 1)),
    record('before', 'acme', Date.UTC(2026, 9, 30)),
    record('of another', 'globex', nowMs),
  ])
  const tenant = aTenant('acme').with({
    budgets: [
      { name: 'both', window: 'Month', tokens: 100, amount: '1' },
      { name: 'daily', window: 'Day', tokens: 50 },
    ],
  })
  expect(await budgetCounters([tenant.build()], usage, nowMs)).toEqual([
    { key: 'acme|budget|both|Tokens|Month|2026-11', committed: 30, endsAtMs: Date.UTC(2026, 11) },
    { key: 'acme|budget|both|Nanos|Month|2026-11', committed: 78, endsAtMs: Date.UTC(2026, 11) },
    {
      key: 'acme|budget|daily|Tokens|Day|2026-11-21',
      committed: 15,
      endsAtMs: Date.UTC(2026, 10, 22),
    },
  ])
})
