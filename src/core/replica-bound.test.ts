import fc from 'fast-check'
import { expect, test } from 'vitest'
import { replicaBound } from './replica-bound.ts'

const costs = {
  stepMs: 13,
  perRequestMs: 0.044,
  perAdapterMs: 0.456,
  perPromptTokenMs: 0.055,
  loadMs: 98,
}
const load = { inputPerSecond: 9000, outputPerSecond: 1800, outputTokens: 200, adapterRates: [9] }

test('a replica at its bound has steps of just the objective', () => {
  // At R = 1 a step of 50 ms holds 90 requests, 450 prompt tokens and one adapter.
  const stepMs = 13 + 0.044 * 90 + 0.055 * 450 + 0.456
  expect(replicaBound(costs, load, 50)).toBeCloseTo((stepMs - 13) / (50 - 13), 10)
})

test('no number is enough where a step alone takes longer than the objective', () => {
  expect(replicaBound(costs, load, 13)).toBe(Infinity)
})

test('nothing asked for needs nothing', () => {
  const none = { inputPerSecond: 0, outputPerSecond: 0, outputTokens: 0, adapterRates: [] }
  expect(replicaBound(costs, none, 50)).toBe(0)
})

test('an adapter whose requests go two ways never costs less', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.001, max: 50, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (rate, part) => {
        const whole = replicaBound(costs, { ...load, adapterRates: [rate] }, 50)
        const split = replicaBound(
          costs,
          { ...load, adapterRates: [rate * part, rate * (1 - part)] },
          50,
        )
        expect(split).toBeGreaterThanOrEqual(whole - 1e-12)
      },
    ),
  )
})
