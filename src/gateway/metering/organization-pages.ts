import { printMoney } from '../../core/money.ts'
import type { Caller } from '../../core/resolve.ts'
import { shownModel, shownNamespace, type ShownNames } from '../../core/shown-names.ts'
import type { UsageRow } from '../../ledger/usage/types.ts'
import { asked } from './asked.ts'
import type { Meter } from './meter.ts'
import {
  groupsOf,
  readOrganizationQuery,
  widths,
  type Grouping,
  type OrganizationQuery,
} from './organization-query.ts'

type Query = Readonly<Record<string, unknown>>

/** One page holds no more sums than this. */
const maxRows = 10_000

/** OpenAI's `GET /v1/organization/usage/completions`, of one tenant. @throws LoraplexError */
export async function usagePage(
  meter: Meter,
  caller: Caller,
  query: Query,
  nowMs: number,
): Promise<string> {
  return page(meter, caller, readOrganizationQuery(query, widths, nowMs), (row, shown) =>
    JSON.stringify({
      object: 'organization.usage.completions.result',
      input_tokens: Number(row.inputTokens),
      input_cached_tokens: Number(row.cachedTokens),
      output_tokens: Number(row.outputTokens),
      num_model_requests: Number(row.requests),
      ...shown,
    }),
  )
}

/** OpenAI's `GET /v1/organization/costs`: by day. */
export async function costsPage(
  meter: Meter,
  caller: Caller,
  query: Query,
  nowMs: number,
): Promise<string> {
  const days = { '1d': { seconds: 86_400, preset: 7, most: 180 } }
  return page(meter, caller, readOrganizationQuery(query, days, nowMs), (row, shown) => {
    const nanos = row.inputNanos + row.cachedNanos + row.outputNanos
    const names = JSON.stringify({ line_item: null, ...shown })
    // Written by hand: the number has all of its decimals.
    return `{"object":"organization.costs.result","amount":{"value":${printMoney(nanos)},"currency":${JSON.stringify(meter.currency)}},${names.slice(1)}`
  })
}

async function page(
  meter: Meter,
  { tenant, names }: Caller,
  { edges, groupings, next }: OrganizationQuery,
  result: (row: UsageRow, shown: object) => string,
): Promise<string> {
  const starts = edges.slice(0, -1).map((edge) => edge * 1000)
  const rows =
    meter.usage === undefined || starts.length === 0
      ? []
      : await asked(
          meter.usage.query({
            fromMs: starts[0] ?? 0,
            toMs: (edges.at(-1) ?? 0) * 1000,
            tenant,
            bucketsMs: starts,
            groupBy: [...new Set(groupings.flatMap((grouping) => groupsOf[grouping]))],
            limit: maxRows,
          }),
        )
  const byBucket = Map.groupBy(rows, ({ bucketMs }) => bucketMs)
  const buckets = starts.map((startMs, at) => {
    const results = (byBucket.get(startMs) ?? []).map((row) =>
      result(row, namesOf(row, groupings, names)),
    )
    return `{"object":"bucket","start_time":${startMs / 1000},"end_time":${edges[at + 1] ?? 0},"results":[${results.join(',')}]}`
  })
  const more = next === undefined ? 'false,"next_page":null' : `true,"next_page":"${next}"`
  return `{"object":"page","data":[${buckets.join(',')}],"has_more":${more}}`
}

function namesOf(
  { group }: UsageRow,
  groupings: readonly Grouping[],
  names: ShownNames,
): Record<Grouping, string | null> {
  const { namespace = '', adapter = '', pool = '', keyId = '', userHash = '' } = group
  const values: Readonly<Record<Grouping, string | null>> = {
    project_id: shownNamespace(names, namespace),
    user_id: userHash,
    api_key_id: keyId,
    model:
      adapter === ''
        ? shownModel(names, 'ModelPool', pool)
        : shownModel(names, 'LoraAdapter', `${namespace}/${adapter}`),
  }
  const nameOf = (grouping: Grouping): string | null =>
    groupings.includes(grouping) ? values[grouping] : null
  return {
    project_id: nameOf('project_id'),
    user_id: nameOf('user_id'),
    api_key_id: nameOf('api_key_id'),
    model: nameOf('model'),
  }
}
