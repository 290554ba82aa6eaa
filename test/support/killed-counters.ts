import type { Line } from '../../src/ledger/types.ts'

const endsAtMs = Date.UTC(2200, 0)

/** Of the process that is killed: budgets large and small, a rate, and one that is only counted. */
export const killedCounters: readonly Omit<Line, 'amount'>[] = [
  { key: 'large', kind: 'Flow', class: 'Budget', cap: 10_000_000, endsAtMs },
  { key: 'small', kind: 'Flow', class: 'Budget', cap: 200_000, endsAtMs },
  { key: 'rate', kind: 'Flow', class: 'Rate', cap: 10_000_000, endsAtMs },
  { key: 'counted', kind: 'Flow', class: 'Budget', endsAtMs },
]
