import { describe, expect, test } from 'vitest'
import { aLabRequest } from '../../../test/support/queue-toy.ts'
import type { LabRequest } from './lab-request.ts'
import { maxMinShares } from './max-min-shares.ts'
import { serviceGap } from './service-gap.ts'

interface Ran {
  readonly tenant: string
  readonly atMs: number
  readonly firstTokenMs?: number
  readonly endMs?: number
}

/** 100 tokens in, 101 out: 302 in all. */
function ran({ tenant, atMs, firstTokenMs = Number.NaN, endMs = Number.NaN }: Ran): LabRequest {
  const request = aLabRequest({ tenant, atMs, input: 100, output: 101 })
  return Object.assign(request, { firstTokenMs, endMs, sentMs: atMs })
}

/** Every two seconds one request, answered so much later within a second. */
function stream(tenant: string, seconds: number, laterMs: number): LabRequest[] {
  return Array.from({ length: seconds / 2 }, (_, at) => {
    const atMs = at * 2000
    return ran({ tenant, atMs, firstTokenMs: atMs + laterMs, endMs: atMs + laterMs + 900 })
  })
}

const options = { fromMs: 0, toMs: 120_000, weightOf: () => 1 }

describe('a gap of service', () => {
  test('is nothing where everybody gets what is asked for, however unlike that is', () => {
    const gap = serviceGap(
      [...stream('a', 120, 0), ...stream('b', 120, 0), ...stream('b', 120, 0)],
      options,
    )
    expect(gap).toMatchObject({ max: 0, unmetMax: 0, backloggedMax: 0, starved: [], jain: 1 })
  })

  test('is what one lacks, but no more than the one served most has more', () => {
    const unserved = Array.from({ length: 40 }, (_, at) => ran({ tenant: 'b', atMs: at * 3000 }))
    const gap = serviceGap([...stream('a', 120, 0), ...unserved], options)
    // 30 requests of 302 tokens a minute; b asked for 20 of them and got none.
    expect(gap.max).toBeCloseTo((20 * 302) / 60)
    // What waits adds up from window to window, and is more than a has at the end.
    expect(gap.unmetMax).toBeCloseTo((30 * 302) / 60)
    expect(gap.starved).toEqual(['b'])
    expect(gap.jain).toBeCloseTo(0.5)
  })

  test('goes by weight', () => {
    const requests = [...stream('a', 120, 0), ...stream('b', 120, 0), ...stream('b', 120, 0)]
    const weightOf = (tenant: string): number => (tenant === 'a' ? 1 : 4)
    const waiting = ['a', 'b'].map((tenant) => ran({ tenant, atMs: 0 }))
    const gap = serviceGap([...requests, ...waiting], { ...options, weightOf })
    // Both wait all the time: a has 151 tokens a second, b 302 by a weight of 4.
    expect(gap.backloggedMax).toBeCloseTo(151 - 302 / 4)
  })

  test('counts the time inside an engine as waiting, and a refused request not', () => {
    const late = stream('a', 120, 30_000)
    expect(serviceGap(late, options).unmetMax).toBe(0)
    const other = stream('b', 120, 0)
    expect(serviceGap([...late, ...other], options).unmetMax).toBeGreaterThan(0)
    const refused = ran({ tenant: 'a', atMs: 5 })
    const some = { ...options, refused: new Set([refused]) }
    expect(serviceGap([refused, ...other], some)).toMatchObject({ unmetMax: 0, starved: [] })
  })

  test('looks at nothing outside of its times', () => {
    const early = ran({ tenant: 'b', atMs: 0, firstTokenMs: 10, endMs: 900 })
    const gap = serviceGap([...stream('a', 240, 0), early], { ...options, fromMs: 60_000 })
    expect(gap.tokensPerSecond).toBeCloseTo(201 / 2)
    expect(gap.max).toBe(0)
  })
})

describe('perfect fairness', () => {
  test('would have shared what one tenant got alone', () => {
    const waiting = stream('b', 120, 0).map(({ entry }) => ran({ tenant: 'b', atMs: entry.atMs }))
    const { ideal, max } = serviceGap([...stream('a', 120, 0), ...waiting], options)
    expect(max).toBeCloseTo(151)
    expect(ideal).toMatchObject({ starved: [], backloggedMax: 0 })
    // Each has half of what the other asked for, and both lack the same.
    expect(ideal.max).toBeLessThan(1)
  })

  test('is uneven where a burst comes in the middle of a window', () => {
    const burst = Array.from({ length: 60 }, () =>
      ran({ tenant: 'b', atMs: 50_000, firstTokenMs: 119_000, endMs: 119_900 }),
    )
    const { ideal } = serviceGap([...stream('a', 120, 0), ...burst], options)
    expect(ideal.unmetMax).toBeGreaterThan(50)
  })
})

describe('max-min shares', () => {
  test('give nobody more than asked for, and what is left by weight', () => {
    const asks = [
      { asked: 10, weight: 1 },
      { asked: 100, weight: 1 },
      { asked: 100, weight: 2 },
    ]
    expect(maxMinShares(asks, 70)).toEqual([10, 20, 40])
    expect(maxMinShares(asks, 1000)).toEqual([10, 100, 100])
  })
})
