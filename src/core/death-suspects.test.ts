import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DeathSuspects } from './death-suspects.ts'

const minute = 60_000
const neighbours = ['a', 'b', 'c', 'd', 'e']

/** Names of requests without a token yet, or `name:tokens`. */
function died(suspects: DeathSuspects, there: readonly string[], nowMs = 0): void {
  suspects.died(
    there.map((text) => {
      const [fingerprint = '', tokens = '0'] = text.split(':')
      return { fingerprint, tokens: Number(tokens) }
    }),
    nowMs,
  )
}

function condemned(suspects: DeathSuspects, nowMs = 0): string {
  return [...neighbours, 'x'].filter((name) => suspects.isCondemned(name, nowMs)).join('')
}

describe('at engines that died', () => {
  test.each<[string, readonly (readonly string[])[], string]>([
    ['one death condemns nobody', [['x']], ''],
    ['two of the same request do', [['x'], ['x']], 'x'],
    ['two of different ones do not', [['a'], ['b'], ['c']], ''],
    [
      'who was at both is told from who was at one',
      [
        ['a', 'x'],
        ['b', 'x'],
      ],
      'x',
    ],
    [
      'who was twice together is not condemned',
      [
        ['a', 'b', 'x'],
        ['a', 'b', 'x'],
      ],
      '',
    ],
    [
      '…until they are told apart',
      [
        ['a', 'x'],
        ['a', 'x'],
        ['b', 'x'],
      ],
      'x',
    ],
    ['copies of a request at one engine are one', [['x', 'x']], ''],
    [
      'who came past where it was before did not do it',
      [
        ['a', 'x'],
        ['a:9', 'x'],
      ],
      'x',
    ],
    [
      'who was cut in the middle is not the one, farther on',
      [
        ['a:50', 'x'],
        ['a:200', 'x'],
      ],
      'x',
    ],
    ['a killer in the middle of its answer dies there again', [['x:50'], ['a', 'x:60']], 'x'],
    ['a condemned one explains later deaths', [['x'], ['x'], ['a', 'x'], ['a', 'x']], 'x'],
  ])('%s', (_name, deaths, want) => {
    const suspects = new DeathSuspects()
    for (const there of deaths) {
      died(suspects, there)
    }
    expect(condemned(suspects)).toBe(want)
  })

  test('those beside one that is condemned are not even suspect', () => {
    const suspects = new DeathSuspects()
    died(suspects, ['x'])
    died(suspects, ['x', 'a'])
    expect(suspects.deathsOf('a', 0)).toBe(0)
  })

  test('a whole answer clears a suspect, and not a condemned one', () => {
    const suspects = new DeathSuspects()
    died(suspects, ['a'])
    suspects.clear('a')
    died(suspects, ['a'])
    expect(condemned(suspects)).toBe('')
    died(suspects, ['a'])
    suspects.clear('a')
    expect(condemned(suspects)).toBe('a')
  })
})

test('all of it is forgotten after ten minutes', () => {
  const suspects = new DeathSuspects()
  died(suspects, ['x'])
  died(suspects, ['x'], 5 * minute)
  expect(condemned(suspects, 14 * minute)).toBe('x')
  expect(condemned(suspects, 15 * minute)).toBe('')
  died(suspects, ['x'], 16 * minute)
  suspects.tidy(27 * minute)
  expect(suspects.size).toBe(0)
})

test('so many are remembered, and those at the last deaths', () => {
  const suspects = new DeathSuspects(3)
  for (const name of neighbours) {
    died(suspects, [name])
  }
  expect(neighbours.map((name) => suspects.deathsOf(name, 0))).toEqual([0, 0, 1, 1, 1])
})

test('of one killer and whoever happens to be beside it, never another one is condemned', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.subarray(neighbours), fc.subarray(neighbours))), (deaths) => {
      const suspects = new DeathSuspects()
      for (const [beside, answered] of deaths) {
        died(suspects, [...beside, 'x'])
        for (const name of answered) {
          suspects.clear(name)
        }
      }
      expect(['', 'x']).toContain(condemned(suspects))
    }),
  )
})
