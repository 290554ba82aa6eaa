import { printMoney } from '../core/money.ts'
import type { UsageRow } from '../ledger/usage/types.ts'
import { billed, billFields, groupOf, sumOf, type BillGroup } from './bill-fields.ts'
import { tableText } from './table.ts'

/** The bill, a line a group, and their sum. @param wide amounts by their parts, too */
export function billText(
  rows: readonly UsageRow[],
  groups: readonly BillGroup[],
  wide = false,
): string {
  const columns = wide ? wideColumns : narrowColumns
  const amounts = (row: UsageRow): readonly string[] => columns.map(([, read]) => String(read(row)))
  const head = [...groups.map((group) => headOf[group]), ...columns.map(([name]) => name)]
  const lines = rows.map((row) => [
    ...groups.map((group) => groupOf(row, group) || '-'),
    ...amounts(row),
  ])
  const total = [...groups.map((_group, at) => (at === 0 ? 'TOTAL' : '')), ...amounts(sumOf(rows))]
  return tableText([head, ...lines, ...(rows.length > 1 ? [total] : [])])
}

/** For programs. */
export function billJson(rows: readonly UsageRow[], groups: readonly BillGroup[]): string {
  return `${JSON.stringify(
    rows.map((row) => billFields(row, groups)),
    undefined,
    2,
  )}\n`
}

/** For spreadsheets (RFC 4180): the fields of JSON, a line a group, no sum. */
export function billCsv(rows: readonly UsageRow[], groups: readonly BillGroup[]): string {
  const entries = rows.map((row) => billFields(row, groups))
  const head = Object.keys(billFields(sumOf([]), groups))
  const lines = entries.map((entry) => head.map((field) => csvCell(entry[field] ?? '')))
  return [head, ...lines].map((cells) => `${cells.join(',')}\r\n`).join('')
}

/** A hash may begin as a formula does. */
function csvCell(text: string): string {
  const plain = /^[=+@-]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}

const headOf: Readonly<Record<BillGroup, string>> = {
  day: 'DAY',
  tenant: 'TENANT',
  namespace: 'NAMESPACE',
  adapter: 'ADAPTER',
  revision: 'REVISION',
  pool: 'POOL',
  keyId: 'KEY',
  userHash: 'USER',
}

type Column = readonly [string, (row: UsageRow) => string | bigint]

const counts: readonly Column[] = [
  ['REQUESTS', (row) => row.requests],
  ['INPUT', (row) => row.inputTokens],
  ['CACHED', (row) => row.cachedTokens],
  ['OUTPUT', (row) => row.outputTokens],
]
const sums: readonly Column[] = [
  ['AMOUNT', (row) => printMoney(billed(row))],
  ['GPU TIME', (row) => `${(Number(row.gpuMs) / 1000).toFixed(1)}s`],
  ['GPU COST', (row) => printMoney(row.gpuNanos)],
  ['INEXACT', (row) => row.inexact],
]
const narrowColumns: readonly Column[] = [...counts, ...sums]
const wideColumns: readonly Column[] = [
  ...counts,
  ['INPUT AMOUNT', (row) => printMoney(row.inputNanos)],
  ['CACHED AMOUNT', (row) => printMoney(row.cachedNanos)],
  ['OUTPUT AMOUNT', (row) => printMoney(row.outputNanos)],
  ...sums,
]
