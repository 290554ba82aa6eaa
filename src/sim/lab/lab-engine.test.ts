import { expect, test } from 'vitest'
import { h100Llama8b } from '../profile.ts'
import { labCosts, labEngine } from './lab-engine.ts'

const options = {
  profile: h100Llama8b,
  maxLoras: 32,
  maxCpuLoras: 64,
  maxLoraRank: 16,
  maxNumSeqs: 256,
  maxNumBatchedTokens: 2048,
}

test('slots take their rank from the KV cache and their time from the step', () => {
  const engine = labEngine(options)
  expect(engine.kvTokens).toBe(h100Llama8b.kvTokens - 47 * 32 * 16)
  expect(labCosts(engine).stepMs).toBeCloseTo(h100Llama8b.stepMs + 32 * h100Llama8b.perSlotMs)
  expect(labCosts(engine).loadMs).toBeCloseTo(92 + h100Llama8b.hostToSlotMs)
  const { perAdapterMs, perAdapterSlotMs = 0 } = h100Llama8b
  expect(labCosts(engine).perAdapterMs).toBeCloseTo(perAdapterMs + 32 * perAdapterSlotMs, 9)
})

test('slots never take all of the cache', () => {
  expect(labEngine({ ...options, maxLoras: 4096, maxLoraRank: 512 }).kvTokens).toBe(2048)
})
