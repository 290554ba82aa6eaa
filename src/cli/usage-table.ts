import { comparePrices, type Traffic } from '../core/compare-prices.ts'
import { printMoney } from '../core/money.ts'
import type { UsageGroup, UsageRow } from '../ledger/usage/types.ts'
import type { ListedModel } from './price-list.ts'
import { tableText } from './table.ts'

/** The bill, a line a group, and their sum. */
export function billText(rows: readonly UsageRow[], groups: readonly UsageGroup[]): string {
  const head = [...groups.map((group) => headOf[group]), ...amountHeads]
  const lines = rows.map((row) => [
    ...groups.map((group) => row.group[group] || '-'),
    ...amounts(row),
  ])
  const sum = sumOf(rows)
  const total = [...groups.map((_group, at) => (at === 0 ? 'TOTAL' : '')), ...amounts(sum)]
  return tableText([head, ...lines, ...(rows.length > 1 ? [total] : [])])
}

/** The same traffic at others' prices, and where the break-even lies. */
export function comparisonText(
  rows: readonly UsageRow[],
  models: readonly ListedModel[],
  days: number,
  replicaHourNanos: number,
): string {
  const sum = sumOf(rows)
  const traffic: Traffic = {
    days,
    queries: sum.requests,
    input: sum.inputTokens,
    cachedInput: sum.cachedTokens,
    output: sum.outputTokens,
    gpuMs: sum.gpuMs,
  }
  const perDay = Number(sum.requests) / days
  const head = ['MODEL', 'SAME TRAFFIC', 'BREAK-EVEN QUERIES/DAY', 'AT UTILISATION', 'GPU-HOUR NOW']
  const lines = models.map(({ name, prices }) => {
    const compared = comparePrices(traffic, prices, replicaHourNanos)
    return [
      name,
      printMoney(compared.theirNanos),
      compared.queriesPerDay === undefined ? 'never' : Math.ceil(compared.queriesPerDay).toString(),
      compared.utilisation === undefined ? '-' : `${(compared.utilisation * 100).toFixed(1)} %`,
      printMoney(compared.replicaHourNanos),
    ]
  })
  return (
    `\n${perDay.toFixed(1)} queries a day over ${days.toFixed(1)} days, one replica on all day at ${printMoney(replicaHourNanos)} an hour.\n` +
    'GPU-HOUR NOW: what that hour may cost before the other is cheaper at the present traffic.\n\n' +
    tableText([head, ...lines])
  )
}

/** For programs: money and counts as text, since they may pass what a number holds. */
export function billJson(rows: readonly UsageRow[]): string {
  const entries = rows.map((row) => ({
    ...row.group,
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
  }))
  return `${JSON.stringify(entries, undefined, 2)}\n`
}

const headOf: Readonly<Record<UsageGroup, string>> = {
  tenant: 'TENANT',
  namespace: 'NAMESPACE',
  adapter: 'ADAPTER',
  revision: 'REVISION',
  pool: 'POOL',
  keyId: 'KEY',
  userHash: 'USER',
}
const amountHeads = ['REQUESTS', 'INPUT', 'CACHED', 'OUTPUT', 'AMOUNT', 'GPU COST', 'INEXACT']

function amounts(row: UsageRow): readonly string[] {
  return [
    row.requests,
    row.inputTokens,
    row.cachedTokens,
    row.outputTokens,
    printMoney(billed(row)),
    printMoney(row.gpuNanos),
    row.inexact,
  ].map(String)
}

function billed({ inputNanos, cachedNanos, outputNanos }: UsageRow): bigint {
  return inputNanos + cachedNanos + outputNanos
}

function sumOf(rows: readonly UsageRow[]): UsageRow {
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
