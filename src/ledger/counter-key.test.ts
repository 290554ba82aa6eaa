import fc from 'fast-check'
import { expect, test } from 'vitest'
import { counterKey } from './counter-key.ts'

test('a counter is named by its parts', () => {
  expect(counterKey('acme', 'tokens', 'minute', '29384756')).toBe('acme|tokens|minute|29384756')
})

test('different parts never name the same counter', () => {
  const part = fc.string({ unit: fc.constantFrom('|', '%', '7', 'C', 'a'), maxLength: 4 })
  const parts = fc.array(part, { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(parts, parts, (left, right) => {
      const areSame = JSON.stringify(left) === JSON.stringify(right)
      expect(counterKey(...left) === counterKey(...right)).toBe(areSame)
    }),
    { numRuns: 2_000 },
  )
})
