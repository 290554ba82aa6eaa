import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { aPool } from '../../test/support/builders.ts'
import { costsOf, greatestCost, pricesOf, replicaCost } from './prices.ts'

const priced = aPool('llama').with({
  pricing: { gpuHour: '3.6', inputPerMillionTokens: '0.25', outputPerMillionTokens: '1' },
  engine: { parallelism: { tensor: 2 } },
})

test('a million tokens cost the price, and cached ones as the others where nothing is said', () => {
  const { tokens } = pricesOf(priced.build())
  expect(costsOf(tokens, { input: 1_000_000, cachedInput: 400_000, output: 1_000_000 })).toEqual({
    inputNanos: 150_000_000,
    cachedNanos: 100_000_000,
    outputNanos: 1_000_000_000,
  })
})

test('a replica costs all of its GPUs', () => {
  expect(replicaCost(pricesOf(priced.build()), 1000)).toBe(2_000_000)
})

test('no prices are no price of 0', () => {
  expect(pricesOf(aPool('llama').build()).tokens).toBeUndefined()
})

test('what is held covers every bill', () => {
  const price = fc.nat(10_000_000_000)
  const count = fc.nat(2_000_000)
  fc.assert(
    fc.property(price, price, price, count, count, count, (input, cachedInput, output, a, b, c) => {
      const prices = { input, cachedInput, output }
      const { inputNanos, cachedNanos, outputNanos } = costsOf(prices, {
        input: a,
        cachedInput: b,
        output: c,
      })
      expect(inputNanos + cachedNanos + outputNanos).toBeLessThanOrEqual(greatestCost(prices, a, c))
    }),
  )
})
