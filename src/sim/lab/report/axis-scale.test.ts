import { describe, expect, it } from 'vitest'
import { linearScale, logScale, tightScale } from './axis-scale.ts'
import { numberText } from './number-text.ts'

describe('axes', () => {
  it('mark round values up to one not below the largest', () => {
    expect(linearScale(8).ticks).toEqual([0, 2, 4, 6, 8])
    expect(linearScale(0.07).ticks).toEqual([0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07])
    expect(linearScale(137).ticks).toEqual([0, 20, 40, 60, 80, 100, 120, 140])
    expect(linearScale(137).at(70)).toBe(0.5)
  })

  it('of nothing still have a length', () => {
    expect(linearScale(0).at(0)).toBe(0)
    expect(linearScale(0).ticks.length).toBeGreaterThan(1)
  })

  it('that are tight end at the largest', () => {
    expect(tightScale(5.3).ticks).toEqual([0, 1, 2, 3, 4, 5])
    expect(tightScale(5.3).at(5.3)).toBe(1)
  })

  it('of powers of ten hold all values; what is not above 0 lies at the foot', () => {
    const scale = logScale(35, 4000)
    expect(scale.ticks).toEqual([10, 100, 1000, 10_000])
    expect(scale.at(1000)).toBeCloseTo(2 / 3)
    expect(scale.at(0)).toBe(0)
    expect(logScale(10, 10).ticks).toEqual([10, 100])
  })
})

describe('numbers of an axis', () => {
  it.each([
    [0, '0'],
    [0.25, '0.25'],
    [1500, '1,500'],
    [20_000, '20k'],
    [3_000_000, '3M'],
  ])('%s is written as %s', (value, text) => {
    expect(numberText(value)).toBe(text)
  })
})
