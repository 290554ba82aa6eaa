import { expect, test } from 'vitest'
import { comparePrices, type Traffic } from './compare-prices.ts'

const traffic: Traffic = {
  days: 10,
  queries: 10_000n,
  input: 20_000_000n,
  cachedInput: 10_000_000n,
  output: 5_000_000n,
  gpuMs: 36_000_000n,
}
const unit = 1_000_000_000
const prices = { input: 2 * unit, cachedInput: unit, output: 10 * unit }

test('break-even is where a replica’s day costs what the queries would', () => {
  const { theirNanos, queriesPerDay, replicaHourNanos, utilisation } = comparePrices(
    traffic,
    prices,
    2 * unit,
  )
  // 20 + 10 + 50 for 10,000 queries: 0.008 each; a day of a replica is 48.
  expect(theirNanos).toBe(80n * BigInt(unit))
  expect(queriesPerDay).toBeCloseTo(6000)
  expect(replicaHourNanos).toBe(Math.floor((8 * unit) / 24))
  // 3.6 s a query: 6,000 of them are 6 hours.
  expect(utilisation).toBeCloseTo(0.25)
})

test('where a full replica costs more than theirs, no number of queries helps', () => {
  // 3.6 s a query at 50 an hour are 0.05, theirs 0.008.
  const { queriesPerDay, utilisation } = comparePrices(traffic, prices, 50 * unit)
  expect(queriesPerDay).toBeUndefined()
  expect(utilisation).toBeCloseTo(6.25)
})

test('traffic that fills two replicas pays for two', () => {
  const busy = { ...traffic, gpuMs: 2n * 864_000_000n }
  expect(comparePrices(busy, prices, unit).replicaHourNanos).toBe(Math.floor((8 * unit) / 24 / 2))
})

test('without queries, or where theirs are free, there is none', () => {
  const none = { ...traffic, queries: 0n, input: 0n, cachedInput: 0n, output: 0n }
  expect(comparePrices(none, prices, unit).queriesPerDay).toBeUndefined()
  expect(
    comparePrices(traffic, { input: 0, cachedInput: 0, output: 0 }, unit).utilisation,
  ).toBeUndefined()
})
