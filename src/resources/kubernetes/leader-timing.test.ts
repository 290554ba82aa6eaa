import { describe, expect, it } from 'vitest'
import { checkLeaderTiming, defaultLeaderTiming } from './leader-timing.ts'
import type { Clock } from './clock.ts'
import { Term } from './term.ts'

describe('the times of an election', () => {
  it('leave no moment in which two may write', () => {
    expect(checkLeaderTiming(defaultLeaderTiming)).toBe(defaultLeaderTiming)
    expect(() => checkLeaderTiming({ ...defaultLeaderTiming, writeTimeoutMs: 5_000 })).toThrow(
      'must together be less than',
    )
    expect(() => checkLeaderTiming({ ...defaultLeaderTiming, retryPeriodMs: 9_000 })).toThrow(
      'more than 1.2 times',
    )
  })
})

/** A clock that stands still until it is told the time; its timers never fire, as in a process that is frozen. */
function frozenClock() {
  const clock = { nowMs: 0 }
  const view: Clock = { now: () => clock.nowMs, after: () => ({ cancel: () => undefined }) }
  return { clock, view }
}

describe('a term', () => {
  it('ends at its deadline by the clock, though no timer has fired', () => {
    const { clock, view } = frozenClock()
    const term = new Term({ term: 7, renewDeadlineMs: 10_000, renewedAtMs: 0, clock: view })
    clock.nowMs = 9_999
    expect(term.mayWrite()).toBe(true)
    term.renewed(9_000)
    clock.nowMs = 18_999
    expect(term.mayWrite()).toBe(true)
    clock.nowMs = 19_000
    expect(term.mayWrite()).toBe(false)
    expect(term.signal.aborted).toBe(true)
  })

  it('is not renewed by an answer that comes after the deadline', () => {
    const { clock, view } = frozenClock()
    const term = new Term({ term: 7, renewDeadlineMs: 10_000, renewedAtMs: 0, clock: view })
    clock.nowMs = 10_001
    term.renewed(9_999)
    expect(term.mayWrite()).toBe(false)
  })
})
