import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SqliteUsage } from '../ledger/usage/sqlite-usage.ts'
import type { UsageRecord } from '../ledger/usage/types.ts'
import { usage } from './commands/usage.ts'
import { runProgram } from './program.ts'

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
    atMs: Date.UTC(2026, 9, 5),
    tenant,
    namespace: tenant,
    adapter,
    revision: 'r',
    pool: 'models/llama',
    keyId: `${tenant}/laptop`,
    userHash: '',
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

async function run(...argv: readonly string[]) {
  let out = ''
  let err = ''
  const code = await runProgram(['usage', ...argv], {
    commands: [usage],
    version: '1.2.3',
    io: {
      out: (text) => (out += text),
      err: (text) => (err += text),
      env: {},
      workingFolder: folder,
      color: false,
    },
  })
  return { code, out, err }
}

const october = ['--from', '2026-10', '--to', '2026-11']

test('a bill has a line for each group, and their sum', async () => {
  const { code, out } = await run(...october, '--by', 'tenant,key')
  expect(code).toBe(0)
  expect(out.split('\n').map((line) => line.split(/\s{2,}/))).toEqual([
    ['TENANT', 'KEY', 'REQUESTS', 'INPUT', 'CACHED', 'OUTPUT', 'AMOUNT', 'GPU COST', 'INEXACT'],
    ['acme', 'acme/laptop', '2', '2000', '200', '1000', '0.0059', '0.004', '1'],
    ['globex', 'globex/laptop', '1', '1000', '100', '500', '0.00295', '0.002', '0'],
    ['TOTAL', '3', '3000', '300', '1500', '0.00885', '0.006', '1'],
    [''],
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
  expect(out).toContain('one replica on all day at 2 an hour')
  expect(out).toMatch(/frontier +0\.021 +6858 /)
})

test.each([
  [['--by', 'colour'], /--by is colour/],
  [['--from', 'soon'], /--from is soon/],
  [['--from', '2026-10', '--to', '2026-09'], /--to is not after/],
  [['--compare', 'none.yaml'], /There is no price list/],
  [['--state', 'elsewhere'], /no service kept its bills there/],
])('%j is refused in words', async (argv, words) => {
  const { code, err } = await run(...argv)
  expect(code).toBeGreaterThan(0)
  expect(err).toMatch(words)
})
