import { describe, expect, test } from 'vitest'
import type { Sample } from './autoscale-sample.ts'
import { findJump, ratesSince } from './load-rates.ts'

/** One sample a second, so many arrivals in each, 1,000 tokens a request. */
function samplesOf(arrivals: readonly number[]): readonly Sample[] {
  let sum = 0
  return [0, ...arrivals].map((came, second) => {
    sum += came
    return {
      atMs: second * 1000,
      waiting: 0,
      running: 0,
      ready: 1,
      arrivals: sum,
      inputTokens: sum * 1000,
    }
  })
}

const steady = (seconds: number, rate: number): readonly number[] =>
  Array.from({ length: seconds }, () => rate)
const work = ({ requests }: { readonly requests: number }): number => requests

test('rates are those since the first sample within', () => {
  const samples = samplesOf([...steady(30, 10), ...steady(10, 40)])
  expect(ratesSince(samples, 30_000)).toMatchObject({ requests: 40, inputTokens: 40_000 })
  expect(ratesSince(samples, 0)?.requests).toBeCloseTo(17.5)
})

describe('a jump', () => {
  const cases = [
    {
      name: 'four times the load shows in the shortest window',
      now: [40, 40],
      want: { fromMs: 50_000, isMore: true },
    },
    {
      name: 'less than twice the load needs a longer one',
      now: steady(10, 18),
      want: { fromMs: 50_000, isMore: true },
    },
    { name: 'a tenth more is none', now: steady(10, 11), want: undefined },
    { name: 'a tenth less is none', now: steady(10, 9), want: undefined },
    { name: 'a fall shows as well', now: steady(10, 2), want: { fromMs: 55_000, isMore: false } },
  ]
  test.each(cases)('$name', ({ now, want }) => {
    const samples = samplesOf([...steady(50, 10), ...now])
    expect(findJump(samples, (50 + now.length) * 1000, 0, work)).toEqual(want)
  })

  test('is harder to see where arrivals come in clumps', () => {
    const clumps = Array.from({ length: 50 }, (_, second) => (second % 10 === 0 ? 100 : 0))
    expect(findJump(samplesOf([...clumps, 40, 40]), 52_000, 0, work)).toBe(undefined)
  })
})

test('a jump shows in two looks although timers are late', () => {
  const late = samplesOf([...steady(58, 10), 30, 30]).map((sample) => ({
    ...sample,
    atMs: sample.atMs * 1.001,
  }))
  const nowMs = 60_060
  expect(findJump(late, nowMs, 0, work)).toEqual({ fromMs: nowMs - 2000, isMore: true })
})
