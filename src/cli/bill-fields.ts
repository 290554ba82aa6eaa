import { printMoney } from '../core/money.ts'
import type { UsageGroup, UsageRow } from '../ledger/usage/types.ts'

/** What a bill can be split by: the words of `--by`. A day is UTC's. */
export type BillGroup = UsageGroup | 'day'

export const billGroups: Readonly<Record<string, BillGroup>> = {
  day: 'day',
  tenant: 'tenant',
  namespace: 'namespace',
  adapter: 'adapter',
  revision: 'revision',
  pool: 'pool',
  key: 'keyId',
  user: 'userHash',
}

/** All of an entry for programs and spreadsheets: counts and money as text, since they may pass what a number holds. */
export function billFields(
  row: UsageRow,
  groups: readonly BillGroup[],
): Readonly<Record<string, string>> {
  return {
    ...Object.fromEntries(groups.map((group) => [group, groupOf(row, group)])),
    requests: String(row.requests),
    inexactRequests: String(row.inexact),
    inputTokens: String(row.inputTokens),
    cachedInputTokens: String(row.cachedTokens),
    outputTokens: String(row.outputTokens),
    inputAmount: printMoney(row.inputNanos),
    cachedInputAmount: printMoney(row.cachedNanos),
    outputAmount: printMoney(row.outputNanos),
    amount: printMoney(billed(row)),
    gpuMs: String(row.gpuMs),
    gpuCost: printMoney(row.gpuNanos),
  }
}

export function groupOf(row: UsageRow, group: BillGroup): string {
  return group === 'day'
    ? new Date(row.bucketMs).toISOString().slice(0, 10)
    : (row.group[group] ?? '')
}

export function billed({ inputNanos, cachedNanos, outputNanos }: UsageRow): bigint {
  return inputNanos + cachedNanos + outputNanos
}

export function sumOf(rows: readonly UsageRow[]): UsageRow {
  const add = (read: (row: UsageRow) => bigint): bigint =>
    rows.reduce((sum, row) => sum + read(row), 0n)
  return {
    bucketMs: 0,
    group: {},
    requests: add((row) => row.requests),
    inexact: add((row) => row.inexact),
    inputTokens: add((row) => row.inputTokens),
    cachedTokens: add((row) => row.cachedTokens),
    outputTokens: add((row) => row.outputTokens),
    gpuMs: add((row) => row.gpuMs),
    inputNanos: add((row) => row.inputNanos),
    cachedNanos: add((row) => row.cachedNanos),
    outputNanos: add((row) => row.outputNanos),
    gpuNanos: add((row) => row.gpuNanos),
  }
}
