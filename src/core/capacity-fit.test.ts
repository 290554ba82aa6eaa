import { expect, test } from 'vitest'
import type { Sample } from './autoscale-sample.ts'
import { capacityAt, noFit, noteServed } from './capacity-fit.ts'

/** An engine whose step takes 14 ms and 0.06 ms for each token a millisecond that comes in or goes out. */
const [idleMs, work] = [14, 0.06]
const tokensOf = (tpotMs: number): number => ((1 - idleMs / tpotMs) / work) * 1000

/** A minute of one replica at so many tokens a second, five of six of them read. */
function minute(fromMs: number, tokens: number, waiting = 0): readonly Sample[] {
  const tpotMs = idleMs / (1 - (work * tokens) / 1000)
  const running = ((tokens / 6) * tpotMs) / 1000
  return Array.from({ length: 61 }, (_, second) => ({
    atMs: fromMs + second * 1000,
    waiting,
    running,
    ready: 1,
    arrivals: 100 + second,
    inputTokens: (second * tokens * 5) / 6,
    outputTokens: (second * tokens) / 6,
  }))
}

const fitOf = (loads: readonly number[], waiting = 0) =>
  loads.reduce(
    (fit, tokens, index) => noteServed(fit, minute(index * 60_000, tokens, waiting)),
    noFit,
  )

test('the line through loads that were seen tells what a replica can take', () => {
  const loads = Array.from({ length: 20 }, (_, index) => tokensOf(20 + index))
  expect(capacityAt(fitOf(loads), 50) ?? 0).toBeCloseTo(tokensOf(50), -1)
})

test('one load alone tells nothing', () => {
  expect(capacityAt(fitOf(Array.from({ length: 20 }, () => tokensOf(30))), 50)).toBe(undefined)
})

test('nor do a few points, or a replica before which requests wait', () => {
  const loads = Array.from({ length: 20 }, (_, index) => tokensOf(20 + index))
  expect(capacityAt(fitOf(loads.slice(0, 5)), 50)).toBe(undefined)
  expect(capacityAt(fitOf(loads, 9), 50)).toBe(undefined)
})

test('answers that nobody saw running say nothing, for ever', () => {
  const unseen = minute(0, tokensOf(20)).map((sample) => ({ ...sample, running: 0 }))
  const loads = Array.from({ length: 20 }, (_, index) => tokensOf(20 + index))
  const fit = loads.reduce(
    (known, tokens, index) => noteServed(known, minute((index + 1) * 60_000, tokens)),
    noteServed(noFit, unseen),
  )
  expect(capacityAt(fit, 50) ?? 0).toBeCloseTo(tokensOf(50), -1)
})
