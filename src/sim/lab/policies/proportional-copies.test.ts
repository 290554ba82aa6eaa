import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { proportionalCopies } from './proportional-copies.ts'

test('copies follow an adapter’s part of the load, at most one a replica', () => {
  const copies = proportionalCopies(
    [
      ['a', 60],
      ['b', 30],
      ['c', 10],
    ],
    12,
    5,
  )
  // 7.2 of 12 slots, but five replicas; 3.6 and 1.2, rounded up.
  expect(Object.fromEntries(copies)).toEqual({ a: 5, b: 4, c: 2 })
})

test('more than there are slots is scaled down, at least one each', () => {
  const copies = proportionalCopies(
    [
      ['a', 50],
      ['b', 50],
    ],
    2,
    10,
  )
  expect(Object.fromEntries(copies)).toEqual({ a: 1, b: 1 })
})

test('nobody is left without a copy, nobody has more than there are replicas, and slots are kept where they can be', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 64 }),
      fc.integer({ min: 1, max: 16 }),
      (loads, slotsEach, replicas) => {
        const copies = proportionalCopies(
          loads.map((load, at) => [String(at), load] as const),
          slotsEach * replicas,
          replicas,
        )
        const counts = [...copies.values()]
        expect(counts).toHaveLength(loads.length)
        expect(counts.every((count) => count >= 1 && count <= replicas)).toBe(true)
        const sum = counts.reduce((all, count) => all + count, 0)
        expect(sum).toBeLessThanOrEqual(Math.max(slotsEach * replicas, loads.length * 2))
      },
    ),
  )
})
