import { describe, expect, it } from 'vitest'
import {
  createRandom,
  cumulativeOf,
  drawIndex,
  exponential,
  gamma,
  lengthOf,
  normal,
  type Random,
} from './random.ts'

const draws = 100_000

function figures(draw: (random: Random) => number): { readonly mean: number; readonly cv: number } {
  const random = createRandom(7)
  const values = Array.from({ length: draws }, () => draw(random))
  const mean = values.reduce((sum, value) => sum + value, 0) / draws
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / draws
  return { mean, cv: Math.sqrt(variance) / mean }
}

describe('a seeded source', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    const first = (seed: number): readonly number[] => {
      const random = createRandom(seed)
      return Array.from({ length: 5 }, () => random.next())
    }
    expect(first(3)).toEqual(first(3))
    expect(first(3)).not.toEqual(first(4))
  })

  it('is uniform between 0 and 1', () => {
    const { mean, cv } = figures((random) => random.next())
    expect(mean).toBeCloseTo(0.5, 2)
    expect(cv).toBeCloseTo(1 / Math.sqrt(3), 2)
  })

  it('draws exponential gaps with mean 1 and CV 1', () => {
    const { mean, cv } = figures(exponential)
    expect(mean).toBeCloseTo(1, 1)
    expect(Math.abs(cv - 1)).toBeLessThan(0.03)
  })

  it('draws normal values with mean 0 and variance 1', () => {
    const { mean } = figures(normal)
    const { mean: square } = figures((random) => normal(random) ** 2)
    expect(Math.abs(mean)).toBeLessThan(0.02)
    expect(Math.abs(square - 1)).toBeLessThan(0.03)
  })

  it.each([0.5, 1, 2, 3.5])('draws gamma gaps with mean 1 and CV %s', (wanted) => {
    const { mean, cv } = figures((random) => gamma(random, wanted))
    expect(Math.abs(mean - 1)).toBeLessThan(0.05)
    expect(Math.abs(cv / wanted - 1)).toBeLessThan(0.05)
  })

  it('draws whole lengths of at least 1 with the mean and CV asked for', () => {
    const { mean, cv } = figures((random) => lengthOf(random, 200, 1.2))
    expect(Math.abs(mean / 200 - 1)).toBeLessThan(0.03)
    expect(Math.abs(cv / 1.2 - 1)).toBeLessThan(0.08)
    const random = createRandom(1)
    const lengths = Array.from({ length: 1000 }, () => lengthOf(random, 1, 2))
    expect(lengths.every((length) => Number.isInteger(length) && length >= 1)).toBe(true)
  })

  it('draws an index as often as its weight says', () => {
    const weights = cumulativeOf([1, 0, 3])
    const random = createRandom(5)
    const counts = [0, 0, 0]
    for (let draw = 0; draw < draws; draw += 1) {
      const index = drawIndex(random, weights)
      counts[index] = (counts[index] ?? 0) + 1
    }
    expect(counts[1]).toBe(0)
    expect((counts[2] ?? 0) / draws).toBeCloseTo(0.75, 2)
  })
})
