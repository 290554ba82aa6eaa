import { expect, test } from 'vitest'
import { TokenTotals } from './token-totals.ts'

test('a prompt counts when it comes, an answer when it was counted', () => {
  const totals = new TokenTotals()
  totals.arrived(100)
  expect(totals).toMatchObject({ requests: 1, input: 100, output: 0, answers: 0 })
  totals.ended(100, { input: 130, output: 40 })
  expect(totals).toMatchObject({ requests: 1, input: 130, output: 40, answers: 1 })
})

test('prompts that are shorter than was thought never let the number fall, and the sum is right in the end', () => {
  const totals = new TokenTotals()
  const seen: number[] = []
  for (let at = 0; at < 50; at += 1) {
    totals.arrived(100)
    seen.push(totals.input)
    totals.ended(100, { input: 20, output: 10 })
    seen.push(totals.input)
  }
  expect(seen).toEqual(seen.toSorted((left, right) => left - right))
  expect(seen.at(-1)).toBeGreaterThanOrEqual(50 * 20)
  expect(seen.at(-1)).toBeLessThanOrEqual(49 * 20 + 100)
})
