import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { baseChanged, judgeCanary, largestDifferenceOver, type Positions } from './canary.ts'

function answer(...positions: readonly Readonly<Record<string, number>>[]): Positions {
  return positions.map((position) => new Map(Object.entries(position)))
}

const base = [answer({ a: -0.1, b: -2.5 }, { c: -0.2, d: -1.9 })]

function shifted(by: number): readonly Positions[] {
  return base.map((positions) =>
    positions.map((position) => new Map([...position].map(([token, p]) => [token, p + by]))),
  )
}

describe('a canary', () => {
  test.each([
    ['finds an adapter that moves one token', answer({ a: -0.1, b: -2.2 }), 'Effective'],
    ['finds an adapter that chooses another token', answer({ b: -0.1, a: -2.5 }), 'Effective'],
    ['refuses one that answers exactly as the base', base[0], 'NoEffect'],
    ['refuses one that moves less than 1e-3', answer({ a: -0.1005, b: -2.5 }), 'NoEffect'],
    ['refuses a NaN', answer({ a: Number.NaN, b: -2.5 }), 'NonFinite'],
    ['refuses an infinity', answer({ a: -0.1, b: Number.NEGATIVE_INFINITY }), 'NonFinite'],
    ['cannot say anything without log probabilities', answer(), 'Inconclusive'],
  ])('%s', (_sentence, adapter, want) => {
    const evidence = { adapter: [adapter ?? []], base, baseAgain: base }
    expect(judgeCanary(evidence).verdict).toBe(want)
  })

  test('measures against ten times the noise of the base', () => {
    const evidence = { adapter: shifted(0.05), base }
    expect(judgeCanary({ ...evidence, baseAgain: shifted(0.0049) }).verdict).toBe('Effective')
    expect(judgeCanary({ ...evidence, baseAgain: shifted(0.0051) }).verdict).toBe('NoEffect')
  })

  test('blames nobody when the base itself is not finite', () => {
    const broken = [answer({ a: Number.NaN })]
    expect(judgeCanary({ adapter: broken, base: broken, baseAgain: base }).verdict).toBe(
      'BaseNonFinite',
    )
  })

  test('looks no further than the first different choice', () => {
    const left = [answer({ a: -0.1, b: -0.2 }, { c: -0.1 })]
    const right = [answer({ a: -0.2, b: -0.1 }, { d: -9 })]
    expect(largestDifferenceOver(left, right)).toBeCloseTo(0.1)
  })

  test('bounds a token that one side does not list by that side’s last listed', () => {
    const left = [answer({ a: -0.1, b: -1 })]
    expect(largestDifferenceOver(left, [answer({ a: -0.1, c: -3 })])).toBeCloseTo(2)
    // c at -1.5 may well be what the left has at a place below b.
    expect(largestDifferenceOver(left, [answer({ a: -0.1, c: -1.5 })])).toBeCloseTo(0.5)
    expect(largestDifferenceOver(left, [answer({ a: -0.1, b: -1, c: -1.5 })])).toBe(0)
  })

  test('takes the largest of all prompts', () => {
    const adapter = [base[0] ?? [], answer({ x: -0.5 })]
    const both = [base[0] ?? [], answer({ x: -0.1 })]
    expect(judgeCanary({ adapter, base: both, baseAgain: both })).toMatchObject({
      verdict: 'Effective',
      difference: expect.closeTo(0.4),
    })
  })
})

describe('the base sentinel', () => {
  test('is quiet about noise and loud about other words, NaN and silence', () => {
    expect(baseChanged(base, shifted(0.01))).toBe(false)
    expect(baseChanged(base, shifted(0.3))).toBe(true)
    expect(baseChanged(base, shifted(0.3), 0.01)).toBe(false)
    expect(baseChanged(base, [answer({ a: Number.NaN })])).toBe(true)
    expect(baseChanged(base, [answer()])).toBe(true)
  })
})

describe('for any answers', () => {
  const anAnswer = fc
    .array(
      fc.dictionary(
        fc.constantFrom('a', 'b', 'c', 'd'),
        fc.double({ min: -20, max: 0, noNaN: true }),
      ),
      {
        maxLength: 4,
      },
    )
    .map((positions) => answer(...positions))

  test('the difference is symmetric, and none from itself', () => {
    fc.assert(
      fc.property(anAnswer, anAnswer, (left, right) => {
        expect(largestDifferenceOver([left], [right])).toBe(largestDifferenceOver([right], [left]))
        expect(largestDifferenceOver([left], [left]) ?? 0).toBe(0)
      }),
    )
  })

  test('the base is never taken for an adapter with an effect', () => {
    fc.assert(
      fc.property(anAnswer, (positions) => {
        const evidence = { adapter: [positions], base: [positions], baseAgain: [positions] }
        expect(judgeCanary(evidence).verdict).not.toBe('Effective')
      }),
    )
  })
})
