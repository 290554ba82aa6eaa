import { describe, expect, test } from 'vitest'
import { needAfterBurst, needAhead, type Level } from './growth.ts'

const levels = (seconds: number, needAt: (second: number) => number): readonly Level[] =>
  Array.from({ length: seconds / 10 }, (_, index) => ({
    atMs: index * 10_000,
    need: needAt(index * 10),
  }))

describe('what will be needed', () => {
  test('a growth that lasted goes on', () => {
    const ahead = needAhead(
      levels(600, (second) => second / 100),
      600_000,
      6,
      240_000,
    )
    // 240 s, and the half minute by which a level is late.
    expect(ahead).toBeCloseTo(8.7, 1)
  })

  test('a jump has happened and does not go on', () => {
    for (let since = 10; since < 600; since += 10) {
      const seen = levels(1200, (second) => (second < 1200 - since ? 2 : 8))
      expect(needAhead(seen, 1_200_000, 8, 240_000)).toBe(8)
    }
  })

  test('a load that comes back is taken to stop where it was', () => {
    const teeth = levels(1000, (second) => (second % 500) / 50)
    // At 7 on the way to 10, and growing by 4.8 in a cold start.
    expect(needAhead(teeth.slice(0, 85), 850_000, 7, 240_000)).toBeCloseTo(9.8, 1)
    expect(needAhead(teeth.slice(0, 35), 350_000, 7, 240_000)).toBeGreaterThan(12)
  })

  test('less is not foreseen', () => {
    expect(
      needAhead(
        levels(600, (second) => 8 - second / 100),
        600_000,
        2,
        60_000,
      ),
    ).toBe(2)
  })

  test('nothing is foreseen from a past too short', () => {
    expect(
      needAhead(
        levels(60, (second) => second),
        60_000,
        60,
        240_000,
      ),
    ).toBe(60)
  })
})

describe('after a burst', () => {
  const burst = levels(1200, (second) => (second >= 700 && second < 800 ? 8 : 2))

  test('as much may come again within ten minutes, and no more than came', () => {
    expect(needAfterBurst(burst, 1_200_000, 2, { coldStartMs: 240_000, quantile: 0.9 })).toBe(8)
  })

  test('a growth that was rare counts only where the rarest do', () => {
    const growth = { coldStartMs: 60_000, quantile: 0.7 }
    expect(needAfterBurst(burst, 1_200_000, 2, growth)).toBe(2)
    expect(needAfterBurst(burst, 1_200_000, 2, { ...growth, quantile: 1 })).toBe(8)
  })

  test('later no longer', () => {
    const long = levels(1800, (second) => (second >= 700 && second < 800 ? 8 : 2))
    expect(needAfterBurst(long, 1_800_000, 2, { coldStartMs: 240_000, quantile: 0.9 })).toBe(2)
  })

  test('at the height of it nothing is added', () => {
    const now = levels(800, (second) => (second >= 700 ? 8 : 2))
    expect(needAfterBurst(now, 800_000, 8, { coldStartMs: 60_000, quantile: 0.9 })).toBe(8)
  })
})
