import { expect, test } from 'vitest'
import { noColdStart, noteReplicas, type ReplicaCounts } from './cold-start.ts'

const after = (...counts: readonly ReplicaCounts[]) => counts.reduce(noteReplicas, noColdStart)

test('what is there at the first look says nothing', () => {
  expect(after({ nowMs: 0, current: 3, ready: 1 }, { nowMs: 9000, current: 3, ready: 3 }).ms).toBe(
    undefined,
  )
})

test('it is the time from the order until one more is ready', () => {
  const seen = after(
    { nowMs: 0, current: 1, ready: 1 },
    { nowMs: 1000, current: 2, ready: 1 },
    { nowMs: 61_000, current: 2, ready: 2 },
  )
  expect(seen.ms).toBe(60_000)
})

test('the oldest order is the first to be ready, and the youngest the first to be taken back', () => {
  const seen = after(
    { nowMs: 0, current: 1, ready: 1 },
    { nowMs: 10_000, current: 2, ready: 1 },
    { nowMs: 50_000, current: 3, ready: 1 },
    { nowMs: 55_000, current: 2, ready: 1 },
    { nowMs: 70_000, current: 2, ready: 2 },
  )
  expect(seen).toMatchObject({ ms: 60_000, orders: [] })
})

test('later ones move it by a part', () => {
  const seen = after(
    { nowMs: 0, current: 1, ready: 1 },
    { nowMs: 0, current: 2, ready: 1 },
    { nowMs: 60_000, current: 2, ready: 2 },
    { nowMs: 60_000, current: 3, ready: 2 },
    { nowMs: 220_000, current: 3, ready: 3 },
  )
  expect(seen.ms).toBeCloseTo(60_000 + 0.3 * 100_000)
})

test('one that was lost and comes back was not ordered: not after a restart, and not when it was to go and stays', () => {
  const seen = after(
    { nowMs: 0, current: 3, ready: 3 },
    { nowMs: 1000, current: 3, ready: 2 },
    { nowMs: 2000, current: 4, ready: 2 },
    { nowMs: 4000, current: 4, ready: 3 },
  )
  expect(seen.ms).toBe(undefined)
  expect(noteReplicas(seen, { nowMs: 242_000, current: 4, ready: 4 }).ms).toBe(240_000)
})

test('one that went for good does not come back', () => {
  const seen = after(
    { nowMs: 0, current: 3, ready: 3 },
    { nowMs: 1000, current: 3, ready: 2 },
    { nowMs: 2000, current: 2, ready: 2 },
    { nowMs: 10_000, current: 3, ready: 2 },
    { nowMs: 70_000, current: 3, ready: 3 },
  )
  expect(seen.ms).toBe(60_000)
})

test.each([
  {
    when: 'behind a new one',
    counts: [
      { nowMs: 0, current: 3, ready: 3 },
      { nowMs: 60_000, current: 3, ready: 4 },
      { nowMs: 61_000, current: 3, ready: 3 },
      { nowMs: 100_000, current: 4, ready: 3 },
      { nowMs: 340_000, current: 4, ready: 4 },
    ],
  },
  {
    when: 'after another was ordered',
    counts: [
      { nowMs: 0, current: 3, ready: 3 },
      { nowMs: 60_000, current: 3, ready: 4 },
      { nowMs: 61_000, current: 4, ready: 4 },
      { nowMs: 62_000, current: 4, ready: 3 },
      { nowMs: 301_000, current: 4, ready: 4 },
    ],
  },
])('an old replica that goes $when is not lost', ({ counts }) => {
  expect(after(...counts)).toMatchObject({ ms: 240_000, lost: 0, orders: [] })
})

test('one that is taken back before it was there is none that was lost', () => {
  const seen = after(
    { nowMs: 0, current: 3, ready: 3 },
    { nowMs: 1000, current: 4, ready: 2 },
    { nowMs: 2000, current: 3, ready: 2 },
    { nowMs: 3000, current: 4, ready: 2 },
    { nowMs: 5000, current: 4, ready: 3 },
  )
  expect(seen).toMatchObject({ ms: undefined, orders: [3000] })
})
