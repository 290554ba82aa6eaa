import fc from 'fast-check'
import { expect, test } from 'vitest'
import { gpuCost, tokenCost } from './cost.ts'
import { parseMoney, printMoney } from './money.ts'

const amounts = fc.nat({ max: Number.MAX_SAFE_INTEGER })

test('what is printed is read again as the same amount', () => {
  fc.assert(
    fc.property(amounts, (nanos) => {
      expect(parseMoney(printMoney(nanos))).toBe(nanos)
    }),
  )
})

test.each([
  ['0', 0],
  ['12', 12_000_000_000],
  ['0.25', 250_000_000],
  ['007.5', 7_500_000_000],
  ['0.000000001', 1],
  ['9007199.254740991', Number.MAX_SAFE_INTEGER],
  ['9007199.254740992', undefined],
  ['0.0000000001', undefined],
  ['-1', undefined],
  ['1e3', undefined],
  ['.5', undefined],
  ['1.', undefined],
  ['1,5', undefined],
  ['', undefined],
  [' 1', undefined],
])('%j is %s nanos', (text, nanos) => {
  expect(parseMoney(text)).toBe(nanos)
})

test('sums above what a number holds are printed too, and so are differences', () => {
  expect(printMoney(12_345_678_901_234_567_890n)).toBe('12345678901.23456789')
  expect(printMoney(-1_500_000_000)).toBe('-1.5')
})

test('a cost is exact, rounded up to a whole nano', () => {
  expect(tokenCost(1_000, 150_000_000)).toBe(150_000)
  expect(tokenCost(1, 150_000)).toBe(1)
  expect(tokenCost(9_000_000_000_000_001, 1)).toBe(9_000_000_001)
  expect(gpuCost(1_500, 2_500_000_000)).toBe(1_041_667)
  const tokens = fc.nat({ max: 10_000_000 })
  const price = fc.nat({ max: 100_000_000_000 })
  fc.assert(
    fc.property(tokens, price, (count, nanos) => {
      const exact = (BigInt(count) * BigInt(nanos) + 999_999n) / 1_000_000n
      expect(BigInt(tokenCost(count, nanos))).toBe(exact)
    }),
  )
  expect(tokenCost(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)).toBe(Number.MAX_SAFE_INTEGER)
})
