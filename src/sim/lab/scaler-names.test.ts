import { expect, it } from 'vitest'
import type { ScaleView } from './scale-policy.ts'
import { scalerNamed, scalerNames } from './scaler-names.ts'
import { scalingTerms } from './scaling-terms.ts'
import { modulatedTape } from './workloads/modulated.ts'

const { context, measure } = scalingTerms({
  tape: modulatedTape({ rateAt: () => 24, peakRate: 24, seconds: 120, seed: 3, adapters: 4 }),
  costs: {
    stepMs: 13,
    perRequestMs: 0.044,
    perAdapterMs: 0.456,
    perPromptTokenMs: 0.055,
    loadMs: 98.4,
  },
  objective: { ttftMs: 1000, tpotMs: 50 },
  replicas: 2,
  maxNumSeqs: 256,
  coldStartMs: 60_000,
  minReplicas: 2,
  maxReplicas: 6,
})

const calm: ScaleView = {
  nowMs: 0,
  waiting: 0,
  running: 10,
  arrivals: 0,
  inputTokens: 0,
  outputTokens: 0,
  ordered: 2,
  ready: 2,
  pendingReadyMs: [],
  activeAdapters: 4,
  engines: () => [],
}

it.each(scalerNames)('%s is called so, says where it comes from, and decides', (name) => {
  const scaler = scalerNamed(name, context)
  expect(scaler?.name).toBe(name)
  expect(scaler?.source).not.toBe('')
  expect(scaler?.decide(calm)).toBeGreaterThanOrEqual(1)
})

it('a rule is made afresh each time, as it has a memory', () => {
  expect(scalerNamed('hpa', context)).not.toBe(scalerNamed('hpa', context))
  expect(scalerNamed('no-such-scaler', context)).toBeUndefined()
})

it('the clairvoyant keeps to the same bounds as the others', () => {
  expect(Math.min(...context.need)).toBeGreaterThanOrEqual(2)
  expect(Math.max(...context.need)).toBeLessThanOrEqual(6)
  expect(measure.clairvoyantMs).toBeGreaterThanOrEqual(2 * 120_000)
})

it('the knee is below what an engine takes, and well above nothing', () => {
  // At 50 ms a token and 0.044 ms a request a step has room for some hundreds; prompts take most of it.
  expect(context.knee).toBeGreaterThan(20)
  expect(context.knee).toBeLessThan(256)
})
