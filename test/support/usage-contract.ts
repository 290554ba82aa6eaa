import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryUsage } from '../../src/ledger/usage/memory-usage.ts'
import {
  usageGroups,
  type UsageQuery,
  type UsageRecord,
  type UsageRow,
  type UsageStore,
} from '../../src/ledger/usage/types.ts'

const dayMs = 86_400_000

export function aRecord(changes: Partial<UsageRecord> = {}): UsageRecord {
  return {
    attemptId: randomUUID(),
    atMs: 1_000,
    tenant: 'acme',
    namespace: 'acme',
    adapter: 'acme/support',
    revision: 'r1',
    pool: 'llama',
    keyId: 'k1',
    userHash: '',
    inputTokens: 100,
    cachedTokens: 40,
    outputTokens: 10,
    gpuMs: 250,
    inputNanos: 1_000,
    cachedNanos: 100,
    outputNanos: 500,
    gpuNanos: 700,
    exactness: 'Exact',
    ...changes,
  }
}

const records = fc.array(
  fc
    .record({
      atMs: fc.nat({ max: 3 * dayMs }),
      tenant: fc.constantFrom('acme', 'Blue', `o'neil "x"`),
      adapter: fc.constantFrom('', 'acme/a', 'acme/b', 'Ümlaut/ß'),
      pool: fc.constantFrom('llama', 'mistral'),
      keyId: fc.constantFrom('k1', 'k2'),
      userHash: fc.constantFrom('', 'u1'),
      outputTokens: fc.nat({ max: 100_000 }),
      outputNanos: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
      exactness: fc.constantFrom('Exact' as const, 'LowerBound' as const, 'Unknown' as const),
    })
    .map(aRecord),
  { maxLength: 30 },
)

const queries: fc.Arbitrary<UsageQuery> = fc
  .record({
    fromMs: fc.nat({ max: dayMs }),
    toMs: fc.integer({ min: dayMs, max: 3 * dayMs }),
    tenant: fc.option(fc.constantFrom('acme', `o'neil "x"`), { nil: undefined }),
    bucketsMs: fc.option(fc.constantFrom([0, dayMs, 2 * dayMs], [dayMs, 2 * dayMs]), {
      nil: undefined,
    }),
    groupBy: fc.subarray([...usageGroups]),
    limit: fc.constantFrom(3, 1_000),
  })
  .map(({ tenant, bucketsMs, ...rest }) => ({
    ...rest,
    ...(tenant === undefined ? {} : { tenant }),
    ...(bucketsMs === undefined ? {} : { bucketsMs }),
  }))

/** What every store of usage records promises. `open` answers an empty one. */
export function usageContract(open: () => Promise<UsageStore>): void {
  const everything: UsageQuery = { fromMs: 0, toMs: 4 * dayMs, groupBy: [], limit: 10 }

  test('sums are split into tokens, GPU time and money', async () => {
    const store = await open()
    await store.append([aRecord(), aRecord({ exactness: 'LowerBound' })])
    const want: UsageRow = {
      bucketMs: 0,
      group: {},
      requests: 2n,
      inexact: 1n,
      inputTokens: 200n,
      cachedTokens: 80n,
      outputTokens: 20n,
      gpuMs: 500n,
      inputNanos: 2_000n,
      cachedNanos: 200n,
      outputNanos: 1_000n,
      gpuNanos: 1_400n,
    }
    expect(await store.query(everything)).toEqual([want])
  })

  test('an attempt told twice counts once, as it was told first', async () => {
    const store = await open()
    const record = aRecord()
    await store.append([record, aRecord()])
    await store.append([{ ...record, outputTokens: 9_999 }, aRecord()])
    expect(await store.query(everything)).toMatchObject([{ requests: 3n, outputTokens: 30n }])
  })

  test('a lower bound gives way to what is known better, and nothing else does', async () => {
    const store = await open()
    const bound = aRecord({ exactness: 'LowerBound', outputTokens: 5 })
    await store.append([bound])
    await store.append([{ ...bound, outputTokens: 4 }])
    expect(await store.query(everything)).toMatchObject([{ outputTokens: 5n, inexact: 1n }])
    await store.append([{ ...bound, outputTokens: 7 }])
    expect(await store.query(everything)).toMatchObject([{ outputTokens: 7n, inexact: 1n }])
    await store.append([{ ...bound, outputTokens: 6, exactness: 'Exact' }])
    await store.append([{ ...bound, outputTokens: 9 }])
    expect(await store.query(everything)).toMatchObject([
      { requests: 1n, outputTokens: 6n, inexact: 0n },
    ])
  })

  test('nothing comes to no rows, and what is old can be forgotten', async () => {
    const store = await open()
    expect(await store.query(everything)).toEqual([])
    await store.append([aRecord({ atMs: 10 }), aRecord({ atMs: 20 })])
    expect(await store.forget(20)).toBe(1)
    expect(await store.query(everything)).toMatchObject([{ requests: 1n }])
  })

  test('random records and queries: the same rows in the same order as from memory', async () => {
    const store = await open()
    await fc.assert(
      fc.asyncProperty(records, queries, async (some, query) => {
        await store.forget(Number.MAX_SAFE_INTEGER)
        const memory = new MemoryUsage()
        await memory.append(some)
        await store.append(some)
        expect(await store.query(query)).toEqual(await memory.query(query))
      }),
      { numRuns: 60 },
    )
  })
}
