import fc from 'fast-check'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { ledgerContract } from '../../../test/support/ledger-contract.ts'
import {
  betweenHistoriesMs,
  disagreement,
  histories,
  historyCount,
} from '../../../test/support/ledger-histories.ts'
import { SqliteLedger } from './sqlite-ledger.ts'
import { released } from '../released.ts'

const folder = mkdtempSync(join(tmpdir(), 'loraplex-ledger-'))
afterAll(() => rm(folder, { recursive: true }))

let nowMs = 0
let files = 0
const setNow = (to: number): void => void (nowMs = to)
const open = (path: string): SqliteLedger => new SqliteLedger(path, () => nowMs)
const newFile = (): string => join(folder, `ledger-${(files += 1)}.db`)

ledgerContract(async () => {
  const ledger = open(newFile())
  onTestFinished(() => ledger.close())
  return { ledger, other: ledger, setNow }
})

const runs = historyCount(500)

test(`${runs} random histories: as the model answers`, { timeout: 3_600_000 }, async () => {
  nowMs = 0
  const ledger = open(newFile())
  let history = 0
  await fc.assert(
    fc.asyncProperty(histories, async (steps) => {
      history += 1
      const store = {
        clients: [ledger],
        setNow,
        prefix: `${history}/`,
        startMs: nowMs + betweenHistoriesMs,
      }
      expect(await disagreement(steps, store)).toBeUndefined()
    }),
    { numRuns: runs },
  )
  await ledger.close()
})

test('a clean end writes what was used, and books live holds at their last usage', async () => {
  setNow(1_000)
  const path = newFile()
  const first = open(path)
  const line = {
    key: 'tokens',
    kind: 'Flow',
    class: 'Budget',
    cap: 1_000,
    endsAtMs: 90_000,
  } as const
  for (const id of ['settled', 'live']) {
    await first.try({ id, lines: [{ ...line, amount: 300 }], expiresInMs: 10_000 })
  }
  await first.settle('settled', { used: [17], exactness: 'Exact' })
  await first.renew('live', { used: [5], expiresInMs: 10_000 })
  await first.close()

  const second = open(path)
  expect(await second.read(['tokens'])).toEqual([{ committed: 22, held: 0 }])
  expect(await second.settle('live', { used: [9], exactness: 'Exact' })).toBe('Forgotten')
  await second.close()

  setNow(90_000 + 60_000)
  const third = open(path)
  expect(await third.read(['tokens'])).toEqual([{ committed: 0, held: 0 }])
  await third.close()
})

test('while the file cannot be written, budgets are closed and rates go on; then it catches up', async () => {
  setNow(1_000)
  const path = newFile()
  const ledger = open(path)
  const line = { key: 'k', kind: 'Flow', amount: 10, cap: 100, endsAtMs: 9e9 } as const
  let holds = 0
  const answer = async (lineClass: 'Budget' | 'Rate') => {
    const id = String((holds += 1))
    const lines = [{ ...line, class: lineClass }]
    const { outcome } = await ledger.try({ id, lines, expiresInMs: 60_000 })
    await ledger.settle(id, { used: [10], exactness: 'Exact' })
    return outcome
  }
  const saboteur = new DatabaseSync(path)
  saboteur.exec('alter table counters rename to gone')
  expect(await answer('Budget')).toBe('Granted')
  await expect(answer('Budget')).rejects.toMatchObject({ code: 'Unavailable' })
  expect(await answer('Rate')).toBe('Granted')
  saboteur.exec('alter table gone rename to counters')
  saboteur.close()
  expect(await answer('Budget')).toBe('Granted')
  await ledger.close()
  const next = open(path)
  expect(await next.read(['k'])).toEqual([{ committed: 30, held: 0 }])
  await next.close()
})

test('a second process is told who has the file', async () => {
  const path = newFile()
  const ledger = open(path)
  expect(() => open(path)).toThrow(/Another process keeps its counters in .*Redis or Postgres/s)
  await ledger.close()
  await open(path).close()
})

test('what holds under way said of their bills is told by the next process until somebody billed it', async () => {
  setNow(1_000)
  const path = newFile()
  const first = open(path)
  for (const id of ['under way', 'settled', 'silent']) {
    await first.try({ id, lines: [], expiresInMs: 10_000 })
  }
  await first.renew('under way', { used: [], expiresInMs: 10_000, note: 'a bill' })
  await first.renew('under way', { used: [], expiresInMs: 10_000, note: 'a later bill' })
  await first.renew('settled', { used: [], expiresInMs: 10_000, note: 'a bill' })
  await new Promise((resolve) => setImmediate(resolve))
  await first.settle('settled', { used: [], exactness: 'Exact' })
  expect(await first.lapsed(0)).toEqual([])
  await first.close()

  const second = open(path)
  expect(await second.lapsed(60_000)).toEqual([
    { id: 'under way', note: 'a later bill', used: [], lapsedAtMs: 1_000 },
  ])
  expect(await second.settle('under way', released)).toBe('Corrected')
  expect(await second.lapsed(0)).toEqual([])
  await second.close()

  const third = open(path)
  expect(await third.lapsed(0)).toEqual([])
  await third.close()
})
