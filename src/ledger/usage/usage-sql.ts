import { bucketStarts } from './bucket-of.ts'
import {
  usageAmounts,
  usageGroups,
  type UsageAmount,
  type UsageGroup,
  type UsageQuery,
  type UsageRecord,
  type UsageRow,
} from './types.ts'

const columns: Readonly<Record<keyof UsageRecord, string>> = {
  attemptId: 'attempt_id',
  atMs: 'at_ms',
  tenant: 'tenant',
  namespace: 'namespace',
  adapter: 'adapter',
  revision: 'revision',
  pool: 'pool',
  keyId: 'key_id',
  userHash: 'user_hash',
  inputTokens: 'input_tokens',
  cachedTokens: 'cached_tokens',
  outputTokens: 'output_tokens',
  gpuMs: 'gpu_ms',
  inputNanos: 'input_nanos',
  cachedNanos: 'cached_nanos',
  outputNanos: 'output_nanos',
  gpuNanos: 'gpu_nanos',
  exactness: 'exactness',
}

export const usageFields = Object.keys(columns) as readonly (keyof UsageRecord)[]
export const usageColumns = Object.values(columns)

/** What becomes of a record that is there already, in SQLite's words and in Postgres's: see `isBetter`. */
export const usageConflict = `on conflict (attempt_id) do update set ${usageColumns
  .filter((column) => column !== columns.attemptId)
  .map((column) => `${column} = excluded.${column}`)
  .join(', ')} where usage_records.exactness = 'LowerBound'
    and (excluded.exactness = 'Exact' or excluded.output_tokens > usage_records.output_tokens)`

/** The same table in SQLite and Postgres; `text` sorts by bytes there and here. */
export function usageTable(text: string): string {
  const typed = usageFields.map((field) => {
    const isNumber = field === 'atMs' || usageAmounts.some((amount) => amount === field)
    return `${columns[field]} ${isNumber ? 'bigint' : text} not null`
  })
  return `
    create table if not exists usage_records (${typed.join(', ')}, primary key (attempt_id));
    create index if not exists usage_by_tenant on usage_records (tenant, at_ms);
    create index if not exists usage_by_time on usage_records (at_ms);`
}

export interface UsageSelect {
  readonly text: string
  readonly values: readonly (string | number)[]
}

/** Names come from our own lists, values are bound. `mark` names the nth value, from 1; `whole` makes a sum a text. */
export function usageSelect(
  query: UsageQuery,
  mark: (position: number) => string,
  whole: (sum: string) => string,
): UsageSelect {
  const values: (string | number)[] = []
  const bind = (value: string | number): string => {
    values.push(value)
    return mark(values.length)
  }
  const [first = query.fromMs, ...others] = bucketStarts(query)
  const bucket = others.length === 0 ? String(first) : bucketCase(first, others)
  const groups = query.groupBy.map((name) => columns[name])
  const conditions = [
    `at_ms >= ${bind(query.fromMs)}`,
    `at_ms < ${bind(query.toMs)}`,
    ...(query.tenant === undefined ? [] : [`tenant = ${bind(query.tenant)}`]),
  ]
  const sums = usageAmounts.map((name) => `${whole(`sum(${columns[name]})`)} as ${columns[name]}`)
  const text = `select bucket_ms, ${[...groups, ...sums].join(', ')}, ${whole('count(*)')} as requests,
      ${whole("sum(case exactness when 'Exact' then 0 else 1 end)")} as inexact
    from (select ${bucket} as bucket_ms, usage_records.* from usage_records where ${conditions.join(' and ')}) as found
    group by bucket_ms${groups.map((name) => `, ${name}`).join('')}
    order by bucket_ms${groups.map((name) => `, ${name}`).join('')} limit ${bind(query.limit)}`
  return { text, values }
}

/** Starts are numbers, never text of a caller. */
function bucketCase(first: number, others: readonly number[]): string {
  const cases = others.toReversed().map((start) => `when at_ms >= ${start} then ${start}`)
  return `case ${cases.join(' ')} else ${first} end`
}

/** A row as either database answers it. */
export function usageRow(
  row: Readonly<Record<string, unknown>>,
  groupBy: readonly UsageGroup[],
): UsageRow {
  const sum = (column: string): bigint => BigInt((row[column] as string | number | null) ?? 0)
  const amounts = Object.fromEntries(
    usageAmounts.map((name) => [name, sum(columns[name])]),
  ) as Record<UsageAmount, bigint>
  const groups = usageGroups.filter((name) => groupBy.includes(name))
  return {
    bucketMs: Number(row['bucket_ms']),
    group: Object.fromEntries(groups.map((name) => [name, String(row[columns[name]])])),
    requests: sum('requests'),
    inexact: sum('inexact'),
    ...amounts,
  }
}
