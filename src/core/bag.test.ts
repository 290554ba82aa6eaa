import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Bag, nowhere } from './bag.ts'

const item = (name: string) => ({ name, seat: nowhere })

describe('a bag', () => {
  test('holds what a set would, whatever comes and goes', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 60 })
    fc.assert(
      fc.property(steps, (moves) => {
        const items = Array.from({ length: 10 }, (_, at) => item(String(at)))
        const bag = new Bag<(typeof items)[number]>()
        const set = new Set<(typeof items)[number]>()
        for (const [joins, at] of moves) {
          const one = items[at]!
          if (joins) {
            bag.add(one)
            set.add(one)
          } else {
            expect(bag.delete(one)).toBe(set.delete(one))
          }
          expect(bag.size).toBe(set.size)
        }
        expect(new Set(bag)).toEqual(set)
        expect(items.filter((one) => bag.has(one))).toEqual(items.filter((one) => set.has(one)))
      }),
    )
  })

  test('can be emptied while it is walked', () => {
    const bag = new Bag<ReturnType<typeof item>>()
    for (const name of ['a', 'b', 'c']) {
      bag.add(item(name))
    }
    const seen: string[] = []
    for (const one of bag) {
      seen.push(one.name)
      bag.delete(one)
    }
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(bag.size).toBe(0)
  })
})
