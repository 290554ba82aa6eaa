import type { Line } from '../../src/ledger/types.ts'

const endsAtMs = Date.UTC(2200, 0)

/** The most that an attempt uses of each. */
export const killedAmount = 40

/**
 * What the process that is killed takes, attempt by attempt: budgets large and small, a rate, one that is only counted, and
 * windows of 64 attempts with so small a cap that the file is never far ahead.
 */
export function killedLines(life: string, attempt: number): readonly Line[] {
  const line = { kind: 'Flow', class: 'Budget', amount: killedAmount, endsAtMs } as const
  return [
    { ...line, key: 'large', cap: 10_000_000 },
    { ...line, key: 'small', cap: 200_000 },
    { ...line, key: 'rate', class: 'Rate', cap: 10_000_000 },
    { ...line, key: 'counted' },
    { ...line, key: `tight|${life}|${attempt >> 6}`, cap: 4_000 },
  ]
}
