import type { Line } from '../../src/ledger/types.ts'

/** Room for exactly this many requests. */
export const burstRoom = 37

const endsAtMs = Date.UTC(2200, 0)

/** What each request of the burst takes: the second line is the short one. */
export const burstLines: readonly Line[] = [
  { key: 'acme|requests|day|x', kind: 'Flow', class: 'Rate', amount: 1, cap: 1_000, endsAtMs },
  {
    key: 'acme|tokens|month|x',
    kind: 'Flow',
    class: 'Budget',
    amount: 100,
    cap: burstRoom * 100 + 99,
    endsAtMs,
  },
]
