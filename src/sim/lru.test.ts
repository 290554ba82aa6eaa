import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { Lru } from './lru.ts'

const step = fc.record({
  act: fc.constantFrom('set', 'touch', 'peek', 'delete'),
  key: fc.integer({ min: 0, max: 9 }),
  value: fc.integer(),
})

test('keeps the latest used, in order, whatever is asked of it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step), (capacity, steps) => {
      const lru = new Lru<number, number>(capacity)
      // The least recently used first.
      let wanted: (readonly [number, number])[] = []
      for (const { act, key, value } of steps) {
        const found = wanted.find(([each]) => each === key)
        const others = wanted.filter(([each]) => each !== key)
        if (act === 'set') {
          const out = found === undefined && wanted.length >= capacity ? wanted[0] : undefined
          expect(lru.set(key, value)).toBe(out?.[0])
          wanted = [...others.filter((each) => each !== out), [key, value]]
        } else if (act === 'delete') {
          expect(lru.delete(key)).toBe(found !== undefined)
          wanted = others
        } else if (act === 'touch') {
          expect(lru.touch(key)).toBe(found?.[1])
          wanted = found === undefined ? wanted : [...others, found]
        } else {
          expect(lru.peek(key)).toBe(found?.[1])
        }
        expect([...lru.keys()]).toEqual(wanted.map(([each]) => each))
        expect([...lru.values()]).toEqual(wanted.map(([, each]) => each))
        expect(lru.size).toBe(wanted.length)
      }
    }),
  )
})
