import { expect, test } from 'vitest'
import { aRecord } from '../../../test/support/usage-contract.ts'
import { LedgerError } from '../ledger-error.ts'
import { MemoryUsage } from './memory-usage.ts'
import type { UsageRecord } from './types.ts'
import { UsageWriter } from './usage-writer.ts'

class Store extends MemoryUsage {
  isAway = false
  readonly batches: number[] = []

  override async append(records: readonly UsageRecord[]): Promise<void> {
    if (this.isAway) {
      throw new LedgerError('Unavailable', 'away')
    }
    this.batches.push(records.length)
    await super.append(records)
  }
}

function bed() {
  const store = new Store()
  const log: string[] = []
  const writer = new UsageWriter(store, {
    maxWaiting: 5,
    batchSize: 2,
    everyMs: 5,
    log: (message) => log.push(message),
  })
  const count = async (): Promise<number> =>
    Number((await store.query({ fromMs: 0, toMs: 1e6, groupBy: [], limit: 1 }))[0]?.requests ?? 0)
  const add = (records: number): void => {
    for (let record = 0; record < records; record += 1) {
      writer.add(aRecord())
    }
  }
  return { store, writer, log, count, add }
}

test('records are written in batches, beside the traffic', async () => {
  const { store, count, add } = bed()
  add(5)
  expect(await count()).toBe(0)
  await expect.poll(count).toBe(5)
  expect(store.batches).toEqual([2, 2, 1])
})

test('flushes at the same time write each record once', async () => {
  const { store, writer, count, add } = bed()
  add(5)
  await Promise.all([writer.flush(), writer.flush(), writer.flush()])
  expect(await count()).toBe(5)
  expect(store.batches).toEqual([2, 2, 1])
})

test('while the store is away they wait, up to a bound; then what waited is written', async () => {
  const { store, writer, log, count, add } = bed()
  store.isAway = true
  add(8)
  await expect.poll(() => log.length).toBeGreaterThan(2)
  expect([writer.waiting, writer.lost]).toEqual([5, 3])
  store.isAway = false
  await expect.poll(count).toBe(5)
  expect(writer.waiting).toBe(0)
})

test('the end writes what waits, and says what is lost', async () => {
  const { store, writer, count, add } = bed()
  add(3)
  expect(await writer.close()).toBe(0)
  expect(await count()).toBe(3)
  store.isAway = true
  add(2)
  expect(await writer.close()).toBe(2)
})
