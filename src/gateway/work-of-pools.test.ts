import { expect, test } from 'vitest'
import { EngineCostFit } from '../core/engine-cost-fit.ts'
import type { PoolState } from './admission/pool-state.ts'
import { workOfPools } from './work-of-pools.ts'

test('what engines cost is told once it was learned, beside what was counted', () => {
  const fit = new EngineCostFit()
  const totals = { requests: 3, input: 300, output: 20, answers: 2 }
  const admission = { totals, costs: fit } as unknown as PoolState['admission']
  const told = () => workOfPools(new Map([['models/llama', { admission }]]))['models/llama']
  expect(told()).toEqual({ requests: 3, inputTokens: 300, outputTokens: 20, answers: 2 })
  for (let at = 0; at < 256; at += 1) {
    const [running, adapters, promptTokens] = [1 + (at % 16), 1 + ((at * 7) % 5), 100 + at * 10]
    fit.noteStep(10 + 0.25 * running + 0.5 * adapters, running, adapters)
    fit.noteFirstToken(20 + 0.05 * promptTokens, promptTokens)
  }
  const { stepMs = 0, perPromptTokenMs = 0 } = told()?.costs ?? {}
  expect(stepMs).toBeCloseTo(10, 0)
  expect(perPromptTokenMs).toBeCloseTo(0.05, 2)
})
