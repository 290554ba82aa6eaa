import { expect, test } from 'vitest'
import { medianCosts } from './median-costs.ts'
import type { EngineCosts } from './route-cost.ts'

const costs = (factor: number): EngineCosts => ({
  stepMs: 10 * factor,
  perRequestMs: 0.1 * factor,
  perAdapterMs: 0.4 * factor,
  perPromptTokenMs: 0.05 * factor,
  loadMs: 100 * factor,
})

test('while no gateway has learned what engines cost, nobody knows', () => {
  expect(medianCosts([])).toBe(undefined)
})

test('one gateway is believed, of two the mean, and of three one that is far off moves nothing', () => {
  expect(medianCosts([costs(2)])).toEqual(costs(2))
  expect(medianCosts([costs(1), costs(3)])).toEqual(costs(2))
  expect(medianCosts([costs(50), costs(1), costs(2)])).toEqual(costs(2))
})

test('of an even number it is between the two in the middle', () => {
  expect(medianCosts([costs(50), costs(1), costs(2), costs(4)])).toEqual(costs(3))
})

test('what is no number does not count: another version may say it so', () => {
  const odd = { ...costs(1), perAdapterMs: null } as unknown as EngineCosts
  expect(medianCosts([odd, costs(2)])).toEqual(costs(2))
  expect(medianCosts([odd])).toBe(undefined)
})
