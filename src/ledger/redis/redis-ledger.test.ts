import { createClient } from '@redis/client'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { ledgerContract } from '../../../test/support/ledger-contract.ts'
import {
  betweenHistoriesMs,
  disagreement,
  histories,
  historyCount,
} from '../../../test/support/ledger-histories.ts'
import { redisProgram, RedisServer } from '../../../test/support/redis-server.ts'
import { RedisLedger } from './redis-ledger.ts'

describe.skipIf(redisProgram === undefined)('on a real redis-server', () => {
  let server: RedisServer
  let nowMs = 0
  const setNow = (to: number): void => void (nowMs = to)
  const open = async (prefix: string, at = server): Promise<RedisLedger> => {
    const ledger = await RedisLedger.open({
      url: at.url,
      prefix,
      forBudgets: true,
      now: () => nowMs,
    })
    return ledger
  }
  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server.stop())

  let stores = 0
  ledgerContract(async () => {
    const prefix = `contract-${(stores += 1)}`
    const [ledger, other] = [await open(prefix), await open(prefix)]
    onTestFinished(async () => {
      await ledger.close()
      await other.close()
    })
    await ledger.rebuild()
    return { ledger, other, setNow }
  })

  const runs = historyCount(300)

  test(`${runs} random histories: as the model answers`, { timeout: 36_000_000 }, async () => {
    // What is on the disk does not matter here, and a flush for every call would.
    const fast = await RedisServer.start(['--appendonly', 'no'])
    const client = () => RedisLedger.open({ url: fast.url, forBudgets: false, now: () => nowMs })
    const clients = await Promise.all([client(), client(), client()])
    onTestFinished(async () => {
      await Promise.all(clients.map((one) => one.close()))
      await fast.stop()
    })
    await clients[0]?.rebuild()
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

  test('a store without an epoch is closed until it is rebuilt, with what is known', async () => {
    const ledger = await open('empty')
    onTestFinished(() => ledger.close())
    setNow(1_000)
    const line = {
      key: 'tokens',
      kind: 'Flow',
      class: 'Budget',
      amount: 10,
      endsAtMs: 90_000,
    } as const
    const hold = { id: 'a', lines: [{ ...line, cap: 100 }], expiresInMs: 1_000 }
    await expect(ledger.try(hold)).rejects.toMatchObject({ code: 'Closed' })
    await expect(ledger.read(['tokens'])).rejects.toMatchObject({ code: 'Closed' })
    const known = [{ key: 'tokens', committed: 91, endsAtMs: 90_000 }]
    expect(await ledger.rebuild(known)).toBe(true)
    expect(await ledger.rebuild()).toBe(false)
    expect(await ledger.try(hold)).toMatchObject({ outcome: 'Refused', short: [{ committed: 91 }] })
  })

  test('a flushed server is noticed, and takes its script anew', async () => {
    const flushed = await RedisServer.start()
    const ledger = await open('flushed', flushed)
    const admin = createClient({ url: flushed.url })
    await admin.connect()
    onTestFinished(async () => {
      await ledger.close()
      admin.destroy()
      await flushed.stop()
    })
    await ledger.rebuild()
    expect(await ledger.read(['a'])).toEqual([{ committed: 0, held: 0 }])
    await admin.sendCommand(['SCRIPT', 'FLUSH'])
    expect(await ledger.read(['a'])).toEqual([{ committed: 0, held: 0 }])
    await admin.flushAll()
    await expect(ledger.read(['a'])).rejects.toMatchObject({ code: 'Closed' })
  })

  test('nothing stays behind once windows and holds are long over', async () => {
    const admin = createClient({ url: server.url })
    await admin.connect()
    const ledger = await RedisLedger.open({ url: server.url, prefix: 'ttl', forBudgets: true })
    onTestFinished(async () => {
      await ledger.close()
      admin.destroy()
    })
    await ledger.rebuild()
    const ends = { minute: Date.now() + 60_000, past: Date.now() - 59_500 }
    const line = { kind: 'Flow', class: 'Rate', amount: 1 } as const
    for (const id of ['settled', 'lapsed']) {
      const lines = [
        { ...line, key: 'minute', endsAtMs: ends.minute },
        { ...line, key: 'past', endsAtMs: ends.past },
        { ...line, key: 'streams', kind: 'Lease', endsAtMs: 0 } as const,
      ]
      await ledger.try({ id, lines, expiresInMs: 50 })
    }
    await ledger.settle('settled', { used: [1, 1], exactness: 'Exact' })
    await eventually(() => ledger.read(['streams'])).toEqual([{ committed: 0, held: 0 }])
    await eventually(() => admin.exists('{ttl:1}:c:past')).toBe(0)
    expect((await admin.keys('{ttl:1}:*')).toSorted()).toEqual([
      '{ttl:1}:c:minute',
      '{ttl:1}:epoch',
      '{ttl:1}:h:lapsed',
      '{ttl:1}:h:settled',
      '{ttl:1}:l',
    ])
    for (const name of ['c:minute', 'h:lapsed', 'h:settled', 'l']) {
      expect(await admin.pTTL(`{ttl:1}:${name}`)).toBeGreaterThan(0)
    }
  })

  test('a server that may lose holds is refused for budgets, and serves rates', async () => {
    const loose = await RedisServer.start(['--appendfsync', 'everysec'])
    onTestFinished(() => loose.stop())
    await expect(open('loose', loose)).rejects.toThrow(
      'This Redis may forget budgets: appendfsync is everysec.\nSet appendfsync always, or keep budgets in Postgres.',
    )
    const ledger = await RedisLedger.open({ url: loose.url, forBudgets: false, now: () => nowMs })
    await ledger.rebuild()
    const line = { key: 'k', kind: 'Lease', amount: 1, cap: 1, endsAtMs: 0 } as const
    const hold = { id: 'a', expiresInMs: 1_000 }
    expect(await ledger.try({ ...hold, lines: [{ ...line, class: 'Rate' }] })).toMatchObject({
      outcome: 'Granted',
    })
    await expect(
      ledger.try({ ...hold, lines: [{ ...line, class: 'Budget' }] }),
    ).rejects.toMatchObject({ code: 'Closed' })
    await ledger.close()
  })

  test('a server that is away fails calls at once, and counts on when it is back', async () => {
    const other = await RedisServer.start()
    const ledger = await open('away', other)
    onTestFinished(async () => {
      await ledger.close()
      await other.stop()
    })
    await ledger.rebuild()
    setNow(1_000)
    const line = { key: 'k', kind: 'Flow', class: 'Budget', amount: 5, endsAtMs: 90_000 } as const
    await ledger.try({ id: 'a', lines: [line], expiresInMs: 60_000 })
    await other.kill()
    await expect(ledger.read(['k'])).rejects.toMatchObject({ code: 'Unavailable' })
    await other.up()
    await eventually(() => ledger.read(['k']).catch(() => 'away')).toEqual([
      { committed: 0, held: 5 },
    ])
  })
})
