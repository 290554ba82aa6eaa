import { expect, test } from 'vitest'
import { aRecord } from '../../../test/support/usage-contract.ts'
import { MemoryLedger } from '../../ledger/memory-ledger.ts'
import { LapsedBills } from './lapsed-bills.ts'
import { MemoryUsage } from '../../ledger/usage/memory-usage.ts'

const ageMs = 60_000
const everything = { fromMs: 0, toMs: 1e14, groupBy: [], limit: 10 } as const

function begin() {
  let nowMs = 1_000_000
  const ledger = new MemoryLedger(() => nowMs)
  const usage = new MemoryUsage()
  const log: string[] = []
  const biller = () => new LapsedBills(ledger, usage, { ageMs, log: (words) => log.push(words) })
  const leave = (id: string, note: string) =>
    ledger.try({ id, lines: [], expiresInMs: 1_000, note })
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { ledger, usage, log, biller, leave, pass }
}

test('several gateways bill what a dead one left once, as a lower bound, and only after a while', async () => {
  const { ledger, usage, biller, leave, pass } = begin()
  const { attemptId: _none, ...left } = aRecord({ outputTokens: 7, exactness: 'Exact' })
  for (let at = 0; at < 250; at += 1) {
    await leave(`attempt ${at}`, JSON.stringify(left))
  }
  pass(1_000 + ageMs - 1)
  expect(await biller().billAll()).toBe(0)
  pass(1)
  await Promise.all([biller().billAll(), biller().billAll()])
  expect(await usage.query(everything)).toMatchObject([
    { requests: 250n, inexact: 250n, outputTokens: 1750n },
  ])
  expect(await ledger.lapsed(0)).toEqual([])
})

test('nothing noted is nothing billed; a note that nobody understands is told', async () => {
  const { ledger, usage, log, biller, leave, pass } = begin()
  await leave('quiet', '')
  await leave('odd', '{"tenant":1}')
  await leave('broken', '{')
  pass(1_000 + ageMs)
  expect(await biller().billAll()).toBe(0)
  expect(await usage.query(everything)).toEqual([])
  expect(await ledger.lapsed(0)).toEqual([])
  expect(log).toHaveLength(2)
})

test('while records cannot be kept, holds stay for the next try', async () => {
  const { ledger, usage, biller, leave, pass } = begin()
  await leave('one', JSON.stringify(aRecord()))
  pass(1_000 + ageMs)
  const append = usage.append.bind(usage)
  usage.append = () => Promise.reject(new TypeError('away'))
  await expect(biller().billAll()).rejects.toThrow('away')
  expect(await ledger.lapsed(0)).toHaveLength(1)
  usage.append = append
  expect(await biller().billAll()).toBe(1)
})
