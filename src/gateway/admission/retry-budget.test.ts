import { expect, test } from 'vitest'
import { RetryBudget } from './retry-budget.ts'

test('a burst of retries is allowed, then only a share of the requests', () => {
  const budget = new RetryBudget(4, 0.5)
  expect(Array.from({ length: 6 }, () => budget.take())).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
  ])
  budget.noteRequest()
  expect(budget.take()).toBe(false)
  budget.noteRequest()
  expect([budget.take(), budget.take()]).toEqual([true, false])
})

test('quiet times do not save up more than a burst', () => {
  const budget = new RetryBudget(2, 1)
  for (let at = 0; at < 100; at += 1) {
    budget.noteRequest()
  }
  expect(Array.from({ length: 3 }, () => budget.take())).toEqual([true, true, false])
})
