import { expect, test } from 'vitest'
import { abusiveTenants } from './abusive.ts'
import { arenaTenants } from './arena.ts'
import { tenantTape } from './tenant-tape.ts'

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

test('the Arena’s 27 tenants have its shares: the first 20 %, the first five 63 %', () => {
  const rates = arenaTenants(100).map(({ rate }) => rate)
  expect(rates).toHaveLength(27)
  expect(sum(rates)).toBeCloseTo(100)
  expect(rates[0]).toBeCloseTo(20)
  expect(sum(rates.slice(0, 5))).toBeCloseTo(63)
  expect(rates).toEqual(rates.toSorted((left, right) => right - left))
})

test('one tenant asks for ten times its share, the others for less than theirs', () => {
  const [first, ...others] = abusiveTenants({ tenants: 10, share: 2, part: 0.7, times: 10 })
  expect(first).toMatchObject({ tenant: 'abusive', rate: 20 })
  expect(new Set(others.map(({ rate }) => rate))).toEqual(new Set([1.4]))
})

test('a tape has the rates and lengths asked for, in order', () => {
  const tape = tenantTape(arenaTenants(10), 600, 1)
  expect(tape.length / 600).toBeCloseTo(10, 0)
  expect(sum(tape.map(({ outputTokens }) => outputTokens)) / tape.length).toBeGreaterThan(220)
  const times = tape.map(({ atMs }) => atMs)
  expect(times).toEqual(times.toSorted((left, right) => left - right))
  expect(Math.max(...tape.map(({ inputTokens }) => inputTokens))).toBeLessThanOrEqual(1024)
})

test('what one tenant does changes nothing for the others', () => {
  const share = { tenants: 3, share: 1, part: 0.7 }
  const [calm, loud] = [1, 10].map((times) =>
    tenantTape(abusiveTenants({ ...share, times }), 60, 1).filter(
      ({ tenant }) => tenant !== 'abusive',
    ),
  )
  expect(calm).toEqual(loud)
})
