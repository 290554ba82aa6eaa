import { expect, test } from 'vitest'
import { estimateDemand, type DemandMemory } from './adapter-demand.ts'

/** Looks every five seconds; each entry is what came in those five seconds. */
function after(counts: readonly number[], open = 0): DemandMemory {
  return counts.reduce<DemandMemory>(
    (memory, arrivals, at) =>
      estimateDemand(memory, new Map([['a', { arrivals, open }]]), (at + 1) * 5000),
    estimateDemand(undefined, new Map(), 0),
  )
}

const rateOf = (memory: DemandMemory): number | undefined => memory.revisions.get('a')?.rate

test('a burst counts in full within ten seconds', () => {
  expect(rateOf(after([0, 0, 50, 50]))).toBeCloseTo(10)
})

test('it falls slowly, by the minute', () => {
  const steady = Array.from({ length: 120 }, () => 50)
  expect(rateOf(after(steady))).toBeCloseTo(10)
  const minute = Array.from({ length: 12 }, () => 0)
  const rate = rateOf(after([...steady, ...minute])) ?? 0
  expect(rate).toBeGreaterThan(3)
  expect(rate).toBeLessThan(4)
})

test('when a burst becomes what is usual, nothing is forgotten at once', () => {
  for (const each of [5, 20, 50, 200]) {
    const counts = Array.from({ length: 60 }, () => each)
    let before = 0
    for (let at = 2; at <= counts.length; at += 1) {
      const rate = rateOf(after(counts.slice(0, at))) ?? 0
      expect(rate).toBeGreaterThan(before * 0.9)
      before = rate
    }
    expect(before).toBeCloseTo(each / 5, 0)
  }
})

test('what scatters by chance is no burst', () => {
  const steady = Array.from({ length: 120 }, () => 5)
  expect(rateOf(after([...steady, 9, 8]))).toBeLessThan(1.15)
  expect(rateOf(after([...steady, 20, 20]))).toBeCloseTo(4)
})

test('what nobody asks for is forgotten', () => {
  const long = Array.from({ length: 400 }, () => 0)
  expect(after([1, ...long]).revisions.size).toBe(0)
})

test('what runs is demand even when nothing more comes', () => {
  const memory = estimateDemand(after([]), new Map([['a', { arrivals: 0, open: 1 }]]), 5000)
  expect(memory.revisions.get('a')).toMatchObject({ rate: 0, open: 1 })
})

test('what came before the first look says nothing of a rate', () => {
  const memory = estimateDemand(undefined, new Map([['a', { arrivals: 9999, open: 2 }]]), 0)
  expect(memory.revisions.get('a')).toMatchObject({ rate: 0, open: 2 })
})

test('what gathered while nobody looked is no burst', () => {
  const steady = after(Array.from({ length: 120 }, () => 5))
  const later = estimateDemand(steady, new Map([['a', { arrivals: 60, open: 0 }]]), 660_000)
  expect(rateOf(later)).toBeCloseTo(1, 1)
})
