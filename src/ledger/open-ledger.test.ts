import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../test/support/eventually.ts'
import { postgresPrograms, PostgresServer } from '../../test/support/postgres-server.ts'
import { redisProgram, RedisServer } from '../../test/support/redis-server.ts'
import { openLedger } from './open-ledger.ts'
import { rebuildLedger } from './rebuild-ledger.ts'
import { RedisLedger } from './redis/redis-ledger.ts'
import type { Hold, Ledger, Line } from './types.ts'
import { openUsage } from './usage/open-usage.ts'

const log = (): void => undefined
const open = async (url: string, forBudgets = true): Promise<Ledger> => {
  const ledger = await openLedger({
    url,
    forBudgets,
    gateways: () => 2,
    guard: { timeoutMs: 250, breaker: { failures: 2, probeEveryMs: 100 } },
    log,
  })
  onTestFinished(() => ledger.close())
  return ledger
}

let holds = 0
const aHold = (lineClass: Line['class']): Hold => ({
  id: `hold-${(holds += 1)}`,
  expiresInMs: 60_000,
  lines: [
    {
      key: lineClass,
      kind: 'Flow',
      class: lineClass,
      amount: 1,
      cap: 100,
      endsAtMs: Date.UTC(2200, 0),
    },
  ],
})
const answer = (ledger: Ledger, lineClass: Line['class']): Promise<string> =>
  ledger.try(aHold(lineClass)).then(
    ({ outcome }) => outcome,
    (error: { code: string }) => error.code,
  )

test('memory, and a file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-open-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const url of ['memory:', `sqlite:${join(folder, 'new', 'ledger.db')}`]) {
    const ledger = await open(url)
    expect(await answer(ledger, 'Budget')).toBe('Granted')
    await ledger.close()
  }
  const usage = await openUsage(`sqlite:${join(folder, 'usage.db')}`, log)
  expect(await usage.query({ fromMs: 0, toMs: 1, groupBy: [], limit: 1 })).toEqual([])
  await usage.close()
})

test('other places are refused in words', async () => {
  await expect(open('mysql://x')).rejects.toThrow(/memory:, sqlite:PATH/)
  await expect(open('redis://user:secret@[')).rejects.toThrow(/^The URL of the store of limits/)
  await expect(openUsage('redis://x', log)).rejects.toThrow(/memory:, sqlite:PATH/)
})

describe.skipIf(redisProgram === undefined)('Redis', () => {
  test('a server that is not there at the start: rates are shared, budgets wait for it', async () => {
    const server = await RedisServer.start()
    onTestFinished(() => server.stop())
    await rebuildLedger(server.url, [])
    await server.kill()
    const ledger = await open(server.url)
    expect(await answer(ledger, 'Rate')).toBe('Granted')
    expect(await answer(ledger, 'Budget')).toBe('Unavailable')
    await server.up()
    await eventually(() => answer(ledger, 'Budget')).toBe('Granted')
    await ledger.close()
  })

  test('a server that hangs is not waited for; what it missed is told when it goes on', async () => {
    const server = await RedisServer.start()
    onTestFinished(() => server.stop())
    const direct = await RedisLedger.open({ url: server.url, forBudgets: true })
    onTestFinished(() => direct.close())
    await direct.rebuild()
    const ledger = await open(server.url)
    const hold = aHold('Budget')
    await ledger.try(hold)
    server.pause()
    expect(await ledger.settle(hold.id, { used: [1], exactness: 'Exact' })).toBe('Settled')
    expect(await answer(ledger, 'Rate')).toBe('Granted')
    const startedAt = performance.now()
    expect(await answer(ledger, 'Rate')).toBe('Granted')
    expect(await answer(ledger, 'Budget')).toBe('Unavailable')
    expect(performance.now() - startedAt).toBeLessThan(600)
    server.resume()
    await eventually(() => answer(ledger, 'Budget')).toBe('Granted')
    await eventually(async () => (await direct.read(['Budget']))[0]?.committed).toBe(1)
  })

  test('an empty server is closed for budgets until somebody says that it may be', async () => {
    const server = await RedisServer.start()
    onTestFinished(() => server.stop())
    const ledger = await open(server.url)
    expect(await answer(ledger, 'Budget')).toBe('Closed')
    expect(await answer(ledger, 'Rate')).toBe('Granted')
    const known = [{ key: 'Budget', committed: 99, endsAtMs: Date.UTC(2200, 0) }]
    expect(await rebuildLedger(server.url, known)).toBe(true)
    expect(await rebuildLedger(server.url, [])).toBe(false)
    await eventually(() => answer(ledger, 'Budget')).toBe('Granted')
    expect(await answer(ledger, 'Budget')).toBe('Refused')
    await ledger.close()
    await expect(rebuildLedger('postgres://x', [])).rejects.toThrow(/^Only limits in Redis/)
  })

  test('one that must not keep budgets ends the start', async () => {
    const server = await RedisServer.start(['--appendfsync', 'no'])
    onTestFinished(() => server.stop())
    await expect(open(server.url)).rejects.toThrow(/may forget budgets: appendfsync is no/)
  })
})

describe.skipIf(postgresPrograms === undefined)('Postgres', () => {
  test('keeps both, in one schema', async () => {
    const server = await PostgresServer.start()
    onTestFinished(() => server.stop())
    const ledger = await open(server.url)
    expect(await answer(ledger, 'Budget')).toBe('Granted')
    const usage = await openUsage(server.url, log)
    expect(await usage.query({ fromMs: 0, toMs: 1, groupBy: [], limit: 1 })).toEqual([])
    await usage.close()
    await ledger.close()
  })
})
