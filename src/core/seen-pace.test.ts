import { describe, expect, test } from 'vitest'
import { SeenPace } from './seen-pace.ts'

describe('the pace of an engine', () => {
  test('is unknown until a stream was seen, and again after ten silent seconds', () => {
    const pace = new SeenPace()
    expect(pace.at(0)).toBeUndefined()
    pace.note(20, 1000)
    expect(pace.at(1000)).toBe(20)
    expect(pace.at(11_000)).toBe(20)
    expect(pace.at(11_001)).toBeUndefined()
  })

  test('follows a change to two thirds in five seconds, however often it is noted', () => {
    for (const everyMs of [20, 500]) {
      const pace = new SeenPace()
      pace.note(20, 0)
      for (let nowMs = everyMs; nowMs <= 5000; nowMs += everyMs) {
        pace.note(50, nowMs)
      }
      expect(pace.at(5000)).toBeCloseTo(20 + 30 * (1 - Math.exp(-1)), 5)
    }
  })

  test('begins anew where it had been lost', () => {
    const pace = new SeenPace()
    pace.note(20, 0)
    pace.note(80, 60_000)
    expect(pace.at(60_000)).toBe(80)
  })
})
