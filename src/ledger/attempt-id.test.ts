import { expect, test } from 'vitest'
import { attemptId } from './attempt-id.ts'

test('ids sort by time, and none comes twice', () => {
  const ids = [1, 999, 1_700_000_000_000, 1_800_000_000_000, 9_000_000_000_000].map(attemptId)
  expect(ids.toSorted()).toEqual(ids)
  expect(attemptId(5)).not.toBe(attemptId(5))
})
