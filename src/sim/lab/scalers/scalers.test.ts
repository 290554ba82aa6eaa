import { describe, expect, test } from 'vitest'
import type { ScalePolicy, ScaleView } from '../scale-policy.ts'
import { clairvoyant } from './clairvoyant.ts'
import { hpa } from './hpa.ts'
import { keda } from './keda.ts'
import { kubeAi } from './kubeai.ts'
import { unavoidableWait } from './unavoidable-wait.ts'
import { wva } from './wva.ts'

const view = (changes: Partial<ScaleView>): ScaleView => ({
  nowMs: 0,
  waiting: 0,
  running: 0,
  arrivals: 0,
  inputTokens: 0,
  outputTokens: 0,
  ordered: 2,
  ready: 2,
  pendingReadyMs: [],
  activeAdapters: 0,
  engines: () => [],
  ...changes,
})

/** What the rule wants at each of its turns, its wish coming true at once. */
function follow(
  rule: ScalePolicy,
  turns: number,
  at: (nowMs: number) => Partial<ScaleView>,
): readonly number[] {
  const counts: number[] = []
  let ordered = 2
  for (let turn = 0; turn < turns; turn += 1) {
    const nowMs = turn * rule.everyMs
    ordered = rule.decide(view({ nowMs, ordered, ready: ordered, ...at(nowMs) }))
    counts.push(ordered)
  }
  return counts
}

describe('the HPA', () => {
  const rule = () =>
    hpa({ name: 'hpa', source: '', metrics: [{ of: ({ waiting }) => waiting, target: 4 }] })

  test.each([
    { name: 'jumps to the sum over the target', waiting: 23, want: 6 },
    { name: 'at most by four or as many again in 15 s', waiting: 100, want: 6 },
    { name: 'not at all within a tenth', waiting: 8.7, want: 2 },
  ])('$name', ({ waiting, want }) => {
    expect(rule().decide(view({ waiting }))).toBe(want)
  })

  test('goes down to the most of the last five minutes, and to one without a queue', () => {
    const counts = follow(rule(), 30, (nowMs) => ({ waiting: nowMs === 0 ? 16 : 0 }))
    expect(counts.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 4))
    expect(counts[20]).toBe(1)
  })
})

test('KEDA as the production-stack has it gives one more a minute, whatever waits', () => {
  const counts = follow(keda(50), 13, () => ({ waiting: 1000 }))
  expect([counts[0], counts[4], counts[8], counts[12]]).toEqual([3, 4, 5, 6])
})

describe('KubeAI', () => {
  test('four times the load for ten minutes is answered after seven and a half', () => {
    const counts = follow(kubeAi(10), 61, (nowMs) => ({ running: nowMs === 0 ? 10 : 40 }))
    expect(counts.findIndex((count) => count === 4)).toBe(41)
  })

  test('one fewer needs three votes', () => {
    const rule = kubeAi(10)
    const counts = [0, 0, 0].map(() => rule.decide(view({ running: 5 })))
    expect(counts).toEqual([2, 2, 1])
  })
})

describe('WVA', () => {
  const engine =
    (kvUsage: number, waiting = 0) =>
    () => [
      {
        waiting,
        running: 1,
        kvUsage,
        activeAdapters: new Set<number>(),
        waitingAdapters: new Set<number>(),
      },
    ]

  test.each([
    { name: 'little KV to spare: one more', engines: engine(0.75), want: 3 },
    { name: 'little queue to spare: one more', engines: engine(0.1, 3), want: 3 },
    { name: 'full: one more', engines: engine(0.95, 9), want: 3 },
    { name: 'the rest could not carry it: none fewer', engines: engine(0.4), want: 2 },
    { name: 'one is starting: nothing', engines: engine(0.95, 9), ready: 1, want: 2 },
  ])('$name', ({ engines, want, ...more }) => {
    expect(wva().decide(view({ engines, ...more }))).toBe(want)
  })

  test('the rest can carry it: one fewer after its window', () => {
    expect(follow(wva(), 40, () => ({ engines: engine(0.1) })).at(-1)).toBe(1)
  })
})

describe('the clairvoyant', () => {
  const need = Float64Array.from([0.5, 0.5, 1.5, 0.5, 1.5, 0.5, 0.5, 0.5, 0.5, 1.5])

  test('stays through a gap that costs less than a start, and orders a start before the need', () => {
    const { gpuMs, policy } = clairvoyant({
      need,
      windowMs: 10_000,
      coldStartMs: 15_000,
      initial: 1,
    })
    // The first layer: 100 s. The second: 30 s and 10 s, and 15 s for each start.
    expect(gpuMs).toBe(100_000 + 45_000 + 25_000)
    const at = (nowMs: number) => policy.decide(view({ nowMs }))
    expect([at(4000), at(5000), at(35_000), at(60_000), at(75_000)]).toEqual([1, 2, 2, 1, 2])
  })
})

test('a wait is unavoidable from a jump until a replica can be there and the backlog is gone', () => {
  const need = Float64Array.from({ length: 20 }, (_, index) => (index < 5 ? 1 : 4))
  const waits = unavoidableWait({
    need,
    windowMs: 10_000,
    coldStartMs: 20_000,
    initial: 1,
    most: 1.5,
  })
  // Without: two windows in which 3 (then 2, with what was ordered before the jump) of 4 are missing; then 2 to spare.
  const windows = [...waits.entries()].filter(([, wait]) => wait === 1).map(([index]) => index)
  expect(windows).toEqual([5, 6, 7])
})

test('a load that grows no faster than what may be ordered for it has no wait', () => {
  const need = Float64Array.from({ length: 40 }, (_, index) => 2 * 1.05 ** index)
  const waits = unavoidableWait({
    need,
    windowMs: 10_000,
    coldStartMs: 60_000,
    initial: 3,
    most: 1.5,
  })
  expect(waits.reduce((sum, wait) => sum + wait, 0)).toBe(0)
})
