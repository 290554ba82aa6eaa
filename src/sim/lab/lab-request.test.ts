import { expect, test } from 'vitest'
import { aRequest } from '../../../test/support/lab-fleet.ts'
import { PrefixCache } from '../prefix-cache.ts'

test('the same blocks of two adapters, or of an adapter and the base, are different blocks', () => {
  const cache = new PrefixCache(10_000)
  const blocks = [7, 8, 2 ** 33 - 1]
  const [first, second, base] = [1, 2, 0].map((adapter) => aRequest({ adapter, blocks }))
  cache.add(first?.blocks ?? [])
  expect(cache.cachedTokens(first?.blocks ?? [], 100)).toBe(48)
  expect(cache.cachedTokens(second?.blocks ?? [], 100)).toBe(0)
  expect(cache.cachedTokens(base?.blocks ?? [], 100)).toBe(0)
  expect(first?.blocks.every(Number.isSafeInteger)).toBe(true)
})
