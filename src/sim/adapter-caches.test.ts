import { describe, expect, it } from 'vitest'
import { AdapterCaches } from './adapter-caches.ts'

/** One adapter after another takes the place of another in full slots; copies for each. */
function swapped(slots: number, adapters: number): number {
  const caches = new AdapterCaches(slots, adapters)
  let [copies, swaps] = [0, 0]
  const active = Array.from({ length: slots }, (_, at) => at + 1)
  caches.activateAll(active, 0)
  for (let next = slots + 1; next <= adapters; next += 1) {
    active[next % slots] = next
    copies += caches.activateAll(active, next)
    swaps += 1
  }
  return copies / swaps
}

describe('AdapterCaches', () => {
  it('copies one adapter for a newcomer while a slot is left over', () => {
    const caches = new AdapterCaches(64, 64)
    let copies = 0
    for (let at = 1; at <= 60; at += 1) {
      copies += caches.activateAll(
        Array.from({ length: at }, (_, index) => index + 1),
        at,
      )
    }
    expect(copies).toBe(60)
  })

  it('copies others again for a newcomer where all slots are in use', () => {
    expect(swapped(1, 200)).toBe(1)
    // A newcomer that comes before the one who left, in half of all cases, moves all between them: a third of the slots.
    expect(swapped(32, 2000)).toBeGreaterThan(1 + 32 / 6 - 1)
    expect(swapped(32, 2000)).toBeLessThan(1 + 32 / 6 + 1)
  })

  it('copies nothing for the same set again', () => {
    const caches = new AdapterCaches(2, 4)
    expect(caches.activateAll([1, 2], 1)).toBe(2)
    expect(caches.activateAll([2, 1], 2)).toBe(0)
    expect(caches.activateAll([2, 1], 2)).toBe(0)
  })
})
