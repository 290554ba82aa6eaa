import { comparePrices, utilisationOf, type Traffic } from '../core/compare-prices.ts'
import { printMoney } from '../core/money.ts'
import type { UsageRow } from '../ledger/usage/types.ts'
import { sumOf } from './bill-fields.ts'
import type { ListedModel } from './price-list.ts'
import { tableText } from './table.ts'

/** When the traffic was that is compared. */
export interface Period {
  readonly fromMs: number
  readonly toMs: number
}

const dayMs = 86_400_000

/** The same traffic at others' prices, and where the break-even lies. */
export function comparisonText(
  rows: readonly UsageRow[],
  models: readonly ListedModel[],
  { fromMs, toMs }: Period,
  replicaHourNanos: number,
): string {
  const sum = sumOf(rows)
  const traffic: Traffic = {
    days: (toMs - fromMs) / dayMs,
    queries: sum.requests,
    input: sum.inputTokens,
    cachedInput: sum.cachedTokens,
    output: sum.outputTokens,
    gpuMs: sum.gpuMs,
  }
  const perDay = Number(sum.requests) / traffic.days
  const now = `${sum.requests} queries from ${minute(fromMs)} to ${minute(toMs)} UTC, ${perDay.toFixed(1)} a day: ${percent(utilisationOf(traffic))} of a replica's time.`
  const ours = `A replica at ${printMoney(replicaHourNanos)} an hour costs ${printMoney(24 * replicaHourNanos)} a day, busy or not.`
  const head = ['MODEL', 'SAME TRAFFIC', 'BREAK-EVEN: QUERIES/DAY', 'REPLICA BUSY', 'OR GPU-HOUR']
  const lines = models.map(({ name, prices }) => {
    const compared = comparePrices(traffic, prices, replicaHourNanos)
    return [
      name,
      printMoney(compared.theirNanos),
      compared.queriesPerDay === undefined ? 'never' : Math.ceil(compared.queriesPerDay).toString(),
      compared.utilisation === undefined ? '-' : percent(compared.utilisation),
      printMoney(compared.replicaHourNanos),
    ]
  })
  return `\n${now}\n${ours}\n\n${tableText([head, ...lines])}\n${notes}`
}

const notes = `Your own replica is cheaper from QUERIES/DAY on, at which it is so BUSY; above 100 % it never is.
At the present traffic it is cheaper while its hour costs less than GPU-HOUR.
`

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`
}

function minute(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')
}
