import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { runCommand } from '../../test/support/run-command.ts'
import { postgresPrograms, PostgresServer } from '../../test/support/postgres-server.ts'
import { openUsage } from '../ledger/usage/open-usage.ts'
import { SqliteUsage } from '../ledger/usage/sqlite-usage.ts'
import type { UsageRecord } from '../ledger/usage/types.ts'
import { usage } from './commands/usage.ts'
import { firstUse } from './first-use.ts'

const examples = join(import.meta.dirname, '../../examples')
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'loraplex-usage-'))
  const store = new SqliteUsage(join(folder, '.loraplex', 'usage.db'))
  await store.append([
    record('1', 'acme', 'tickets'),
    record('2', 'acme', 'tickets'),
    record('3', 'globex', 'shout'),
  ])
  await store.close()
  writeFileSync(
    join(folder, 'prices.yaml'),
    "models: [{name: frontier, inputPerMillionTokens: '2', outputPerMillionTokens: '10'}]",
  )
})
afterAll(() => rmSync(folder, { recursive: true }))

function record(attemptId: string, tenant: string, adapter: string): UsageRecord {
  return {
    attemptId,
    atMs: Date.UTC(2026, 9, attemptId === '3' ? 6 : 5, 7, 30),
    tenant,
    namespace: tenant,
    adapter,
    revision: 'r',
    pool: 'models/llama',
    keyId: `${tenant}/laptop`,
    userHash: attemptId === '3' ? '-hash' : '',
    inputTokens: 1000,
    cachedTokens: 100,
    outputTokens: 500,
    gpuMs: 3_600,
    inputNanos: 900_000,
    cachedNanos: 50_000,
    outputNanos: 2_000_000,
    gpuNanos: 2_000_000,
    exactness: attemptId === '2' ? 'LowerBound' : 'Exact',
  }
}

const run = (...argv: readonly string[]) => runCommand([usage], folder, ['usage', ...argv])

const heads = ['TENANT', 'KEY', 'REQUESTS', 'INPUT', 'CACHED', 'OUTPUT']
const october = ['--from', '2026-10', '--to', '2026-11']

test('a bill has a line for each group, and their sum', async () => {
  const { code, out } = await run(...october, '--by', 'tenant,key')
  expect(code).toBe(0)
  expect(out.split('\n').map((line) => line.split(/\s{2,}/))).toEqual([
    [...heads, 'AMOUNT', 'GPU TIME', 'GPU COST', 'INEXACT'],
    ['acme', 'acme/laptop', '2', '2000', '200', '1000', '0.0059', '7.2s', '0.004', '1'],
    ['globex', 'globex/laptop', '1', '1000', '100', '500', '0.00295', '3.6s', '0.002', '0'],
    ['TOTAL', '3', '3000', '300', '1500', '0.00885', '10.8s', '0.006', '1'],
    [''],
  ])
})

test('a wide one has the parts of each amount, and they add up', async () => {
  const { out } = await run(...october, '--by', 'tenant', '-o', 'wide')
  const [head = [], first = []] = out.split('\n').map((line) => line.split(/\s{2,}/))
  const cell = (name: string) => Number(first[head.indexOf(name)])
  expect(cell('INPUT AMOUNT')).toBe(0.0018)
  expect(cell('INPUT AMOUNT') + cell('CACHED AMOUNT') + cell('OUTPUT AMOUNT')).toBeCloseTo(
    cell('AMOUNT'),
    9,
  )
})

test('for spreadsheets, by day, and nothing in it begins as a formula', async () => {
  const { out } = await run(...october, '--by', 'day,user', '-o', 'csv')
  const [head = '', ...lines] = out.trimEnd().split('\r\n')
  expect(head.startsWith('day,userHash,requests,inexactRequests,inputTokens,')).toBe(true)
  expect(lines.map((line) => line.split(',').slice(0, 3))).toEqual([
    ['2026-10-05', '', '2'],
    ['2026-10-06', "'-hash", '1'],
  ])
})

test('one tenant’s, for programs', async () => {
  const { out } = await run(...october, '--tenant', 'globex', '-o', 'json')
  expect(JSON.parse(out)).toMatchObject([
    { tenant: 'globex', adapter: 'shout', requests: '1', amount: '0.00295', gpuCost: '0.002' },
  ])
})

test('the same traffic at other prices, with the break-even', async () => {
  const { out } = await run(...october, '--compare', 'prices.yaml')
  // Three queries of 0.007 each, against a replica of 2 an hour: 48 / 0.007.
  expect(out).toContain('A replica at 2 an hour costs 48 a day')
  expect(out).toMatch(/frontier +0\.021 +6858 +28\.6 % +0\.000028225/)
})

test('days before the first request are no days without traffic', async () => {
  const { out } = await run('--to', '2026-10-06', '--compare', 'prices.yaml', '--from', '2026-10')
  expect(out).toContain('2 queries from 2026-10-01 00:00 to 2026-10-06 00:00 UTC, 0.4 a day')
  const store = new SqliteUsage(join(folder, '.loraplex', 'usage.db'))
  const query = { fromMs: Date.UTC(2026, 8), toMs: Date.UTC(2026, 9, 6), groupBy: [], limit: 1 }
  expect(await firstUse(store, query)).toBe(Date.UTC(2026, 9, 5, 7))
  expect(await firstUse(store, { ...query, tenant: 'nobody' })).toBe(query.fromMs)
  await store.close()
})

test('the price list in examples is one', async () => {
  const { code, out } = await run(...october, '--compare', join(examples, 'prices.yaml'))
  expect(code).toBe(0)
  expect(out).toMatch(/a small model elsewhere .* never +/)
})

test.skipIf(postgresPrograms === undefined)(
  'the bills of a cluster are read from its Postgres, and its password is not shown',
  async () => {
    const server = await PostgresServer.start()
    onTestFinished(() => server.stop())
    const store = await openUsage(server.url, () => undefined)
    await store.append([record('1', 'acme', 'tickets'), record('3', 'globex', 'shout')])
    await store.close()
    // It trusts whoever comes, and takes any password.
    const url = server.url.replace('loraplex@', 'loraplex:a-password@')
    const { out, err } = await run(...october, '--by', 'day,tenant', '--usage-store', url)
    expect(out).toMatch(/2026-10-05 +acme +1 +1000 +100 +500 +0\.00295/)
    expect(out).toMatch(/2026-10-06 +globex +1 /)
    expect(err).not.toContain('a-password')
  },
)

test.each([
  [['--by', 'colour'], /--by is colour/],
  [['--from', 'soon'], /--from is soon/],
  [['--from', '2026-10', '--to', '2026-09'], /--to is not after/],
  [['--compare', 'none.yaml'], /There is no price list/],
  [['--compare', 'prices.yaml', '-o', 'csv'], /--compare prints tables/],
  [['--by', 'day', '--from', '2020-01'], /--by day can show 400 days/],
  [['--state', 'elsewhere'], /no service kept its bills there/],
])('%j is refused in words', async (argv, words) => {
  const { code, err } = await run(...argv)
  expect(code).toBeGreaterThan(0)
  expect(err).toMatch(words)
})
