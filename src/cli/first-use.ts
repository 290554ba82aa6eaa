import type { UsageQuery, UsageStore } from '../ledger/usage/types.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/**
 * The hour in which the traffic of a query began, or the query's own beginning where there is none: days before a service
 * was there are no days without traffic.
 */
export async function firstUse(store: UsageStore, query: UsageQuery): Promise<number> {
  const { fromMs } = query
  const days = await begins(store, query, dayMs)
  return begins(
    store,
    { ...query, fromMs: days, toMs: Math.min(query.toMs, days + dayMs) },
    hourMs,
  ).then((hour) => Math.max(fromMs, hour))
}

/** Where the first piece of that length begins that has traffic. */
async function begins(
  store: UsageStore,
  { fromMs, toMs, tenant }: UsageQuery,
  stepMs: number,
): Promise<number> {
  const pieces = Math.ceil((toMs - fromMs) / stepMs)
  const [first] = await store.query({
    fromMs,
    toMs,
    ...(tenant === undefined ? {} : { tenant }),
    bucketsMs: Array.from({ length: pieces }, (_none, at) => fromMs + at * stepMs),
    groupBy: [],
    limit: 1,
  })
  return first?.bucketMs ?? fromMs
}
