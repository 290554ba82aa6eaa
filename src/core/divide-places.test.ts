import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dividePlaces, type PlaceReport } from './divide-places.ts'

const wait = (tenant: string, turn: number, count = 1, waitedMs = 0) => ({
  tenant,
  turn,
  cost: 10,
  count,
  waitedMs,
})

describe('places of one engine', () => {
  test('belong to a gateway that is alone', () => {
    expect(dividePlaces(20, [{ inFlight: 3, waits: [] }])).toEqual([20])
    expect(dividePlaces(20, [{ inFlight: 20, waits: [wait('a', 0, 50)] }])).toEqual([20])
  })

  test('are had by all while there are enough', () => {
    const reports = [
      { inFlight: 4, waits: [wait('a', 0, 2)] },
      { inFlight: 0, waits: [] },
    ]
    expect(dividePlaces(20, reports)).toEqual([13, 6])
  })

  test('go to whoever has most right, and those who have them give them back as they end', () => {
    const reports = [
      { inFlight: 0, waits: [wait('victim', 5)] },
      { inFlight: 16, waits: [wait('greedy', 100, 50)] },
    ]
    expect(dividePlaces(17, reports)).toEqual([1, 15])
  })

  test('stay where they are when all have the same right', () => {
    const reports = [
      { inFlight: 8, waits: [wait('a', 5, 50)] },
      { inFlight: 8, waits: [wait('a', 5, 50)] },
    ]
    expect(dividePlaces(17, reports)).toEqual([8, 8])
  })

  test('count a tenant once, however many gateways it comes by', () => {
    const reports = [
      { inFlight: 4, waits: [wait('one', 5, 50)] },
      { inFlight: 4, waits: [wait('many', 5, 50)] },
      { inFlight: 4, waits: [wait('many', 5, 50)] },
      { inFlight: 4, waits: [wait('many', 5, 50)] },
    ]
    const [one = 0] = dividePlaces(17, reports)
    // One of the next two, as the other tenant has one.
    expect(one).toBe(5)
  })

  test('go to whichever of a tenant’s requests has waited longest, wherever it waits', () => {
    const reports = [
      { inFlight: 4, waits: [wait('victim', 5, 1, 20)] },
      { inFlight: 4, waits: [wait('victim', 5, 1, 300)] },
      { inFlight: 8, waits: [wait('greedy', 100, 50, 9000)] },
    ]
    // With 16 of 17, the next and the one after are given away; with one more at the engine, only one is.
    expect(dividePlaces(17, reports)).toEqual([5, 5, 6])
    expect(dividePlaces(16, reports)).toEqual([3, 5, 7])
  })

  test('are as many as the limit says, and nobody is kept waiting by one who wants none', () => {
    const report = fc.record<PlaceReport>({
      inFlight: fc.nat({ max: 20 }),
      waits: fc.array(
        fc.record({
          tenant: fc.constantFrom('a', 'b', 'c'),
          turn: fc.nat({ max: 100 }),
          cost: fc.integer({ min: 1, max: 20 }),
          count: fc.integer({ min: 1, max: 30 }),
          waitedMs: fc.nat({ max: 1000 }),
        }),
        { maxLength: 3 },
      ),
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 40 }),
        fc.array(report, { minLength: 1, maxLength: 5 }),
        (limit, reports) => {
          const places = dividePlaces(limit, reports)
          const held = reports.reduce((sum, { inFlight }) => sum + inFlight, 0)
          const sum = places.reduce((total, one) => total + one, 0)
          expect(sum).toBeLessThanOrEqual(Math.max(limit, held))
          // As many as are given away, and one of each gateway that is not next.
          expect(sum).toBeGreaterThanOrEqual(Math.min(limit, held) - 1 - reports.length)
          const isShort = reports.some(
            ({ inFlight, waits }, at) =>
              (places[at] ?? 0) < inFlight + waits.reduce((all, { count }) => all + count, 0),
          )
          const isIdle = reports.every(({ inFlight }, at) => (places[at] ?? 0) <= inFlight)
          // Work-conserving: with a place free and somebody waiting, somebody may send.
          if (isShort && held < limit - 1 && reports.some(({ waits }) => waits.length > 0)) {
            expect(isIdle).toBe(false)
          }
        },
      ),
    )
  })
})
