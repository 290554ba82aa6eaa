import { describe, expect, test } from 'vitest'
import { meanWithInterval, median, slope } from './statistics.ts'

describe('median', () => {
  test.each([
    { values: [3], want: 3 },
    { values: [3, 1, 2], want: 2 },
    { values: [10, 9, 1, 2], want: 5.5 },
  ])('of $values is $want', ({ values, want }) => {
    expect(median(values)).toBe(want)
  })

  test('of nothing is no number', () => {
    expect(median([])).toBeNaN()
  })
})

describe('meanWithInterval', () => {
  test('of ten values uses nine degrees of freedom', () => {
    const { mean, low, high } = meanWithInterval([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(mean).toBe(5.5)
    // Standard deviation 3.0277, so 2.262 × 3.0277 / √10.
    expect(high - mean).toBeCloseTo(2.1657, 3)
    expect(mean - low).toBeCloseTo(2.1657, 3)
  })

  test('of one value is unbounded', () => {
    expect(meanWithInterval([5])).toEqual({ mean: 5, low: -Infinity, high: Infinity })
  })
})

test('a slope is that of the nearest straight line', () => {
  const points = [0, 1, 2, 3].map((x) => [x, 2 * x + (x % 2 === 0 ? 0.5 : -0.5)] as const)
  expect(slope(points)).toBeCloseTo(1.8)
  expect(slope([])).toBeNaN()
})
