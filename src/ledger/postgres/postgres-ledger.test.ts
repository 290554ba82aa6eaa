import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { ledgerContract } from '../../../test/support/ledger-contract.ts'
import {
  betweenHistoriesMs,
  disagreement,
  histories,
  historyCount,
} from '../../../test/support/ledger-histories.ts'
import { postgresPrograms, PostgresServer } from '../../../test/support/postgres-server.ts'
import type { LedgerError } from '../ledger-error.ts'
import type { Hold } from '../types.ts'
import { PostgresLedger } from './postgres-ledger.ts'

describe.skipIf(postgresPrograms === undefined)('on a real Postgres', () => {
  let server: PostgresServer
  let nowMs = 0
  const setNow = (to: number): void => void (nowMs = to)
  const opened: PostgresLedger[] = []
  const open = async (schema: string): Promise<PostgresLedger> => {
    const ledger = await PostgresLedger.open({
      url: server.url,
      schema,
      maxConnections: 4,
      forBudgets: false,
      now: () => nowMs,
    })
    opened.push(ledger)
    return ledger
  }
  beforeAll(async () => {
    server = await PostgresServer.start(['fsync=off'])
  })
  afterAll(async () => {
    await Promise.all(opened.map((ledger) => ledger.close()))
    await server.stop()
  })

  let contract: readonly [PostgresLedger, PostgresLedger] | undefined
  ledgerContract(async () => {
    contract ??= await Promise.all([open('contract'), open('contract')])
    const [ledger, other] = contract
    return { ledger, other, setNow }
  })

  const runs = historyCount(200)

  test(`${runs} random histories: as the model answers`, { timeout: 36_000_000 }, async () => {
    const clients = await Promise.all([open('histories'), open('histories'), open('histories')])
    nowMs = 0
    let history = 0
    await fc.assert(
      fc.asyncProperty(histories, async (steps) => {
        history += 1
        const store = {
          clients,
          setNow,
          prefix: `${history}/`,
          startMs: nowMs + betweenHistoriesMs,
        }
        expect(await disagreement(steps, store)).toBeUndefined()
      }),
      { numRuns: runs },
    )
  })

  test('calls that meet on the same counters in any order never wait for each other for ever', async () => {
    const ledger = await open('crowd')
    nowMs = 0
    const names = ['a', 'b', 'c', 'd', 'e']
    const hold = (index: number): Hold => ({
      id: `hold-${index}`,
      expiresInMs: index % 3 === 0 ? 1 : 60_000,
      lines: names
        .map((_, at) => names[(at * (1 + (index % 4)) + index) % names.length] ?? 'a')
        .map((key) => ({ key, kind: 'Flow', class: 'Rate', amount: 1, endsAtMs: 1_000_000 })),
    })
    await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const one = hold(index)
        await ledger.try(one)
        nowMs += 1
        await ledger.settle(one.id, { used: [1, 1, 1, 1, 1], exactness: 'Exact' })
      }),
    )
    nowMs += 60_000
    const counters = await ledger.read(names)
    expect(counters).toEqual(names.map(() => ({ committed: 300, held: 0 })))
  })

  test('what is long over is deleted', async () => {
    const ledger = await open('tidy')
    nowMs = 0
    const flow = { key: 'k', kind: 'Flow', class: 'Rate', amount: 1, endsAtMs: 1_000 } as const
    const lease = { ...flow, key: 'l', kind: 'Lease', endsAtMs: 0 } as const
    await ledger.try({ id: 'a', lines: [flow, lease], expiresInMs: 1_000 })
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    onTestFinished(() => client.end())
    const rows = async (): Promise<unknown> => {
      const found = await client.query<{ rows: string }>(
        `select (select count(*) from tidy.holds) || ' ' || (select count(*) from tidy.counters) as rows`,
      )
      return found.rows[0]?.rows
    }
    await ledger.tidy()
    expect(await rows()).toBe('1 2')
    nowMs = 2_000
    await ledger.read(['k'])
    nowMs = 10_000_000
    await client.query(
      `insert into tidy.counters (key, kind, ends_at_ms) select 'old ' || n, 'Flow', 1 from generate_series(1, 12000) as n`,
    )
    await ledger.tidy()
    expect(await rows()).toBe('0 0')
  })

  test('connections that were cut are made again', async () => {
    const ledger = await open('cut')
    nowMs = 0
    await ledger.read(['k'])
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    onTestFinished(() => client.end())
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'loraplex'`,
    )
    await eventually(() => ledger.read(['k']).catch((error: LedgerError) => error.code)).toEqual([
      { committed: 0, held: 0 },
    ])
  })

  test('a server that may lose commits is refused for budgets', async () => {
    await expect(
      PostgresLedger.open({ url: server.url, forBudgets: true, schema: 'unsafe' }),
    ).rejects.toThrow('This Postgres may forget budgets: fsync is off')
  })

  test('no server is an error in words', async () => {
    await expect(
      PostgresLedger.open({ url: 'postgres://loraplex@127.0.0.1:1/x', forBudgets: true }),
    ).rejects.toMatchObject({ code: 'Unavailable' })
  })
})
