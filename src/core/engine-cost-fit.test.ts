import { beforeEach, describe, expect, test } from 'vitest'
import { EngineCostFit } from './engine-cost-fit.ts'
import type { EngineCosts } from './route-cost.ts'

let fit: EngineCostFit
let random: () => number
beforeEach(() => {
  fit = new EngineCostFit()
  let state = 7
  random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
})

const llama: EngineCosts = {
  stepMs: 13.6,
  perRequestMs: 0.1,
  perAdapterMs: 0.53,
  perPromptTokenMs: 0.07,
  loadMs: 0,
}

interface Load {
  readonly running: () => number
  readonly adapters: (running: number) => number
}

const varied: Load = {
  running: () => 1 + Math.floor(random() * 120),
  adapters: (running) => 1 + Math.floor(random() * Math.min(31, running)),
}

/**
 * A fifth more or less; now and then ten times as much, for a load or a pause of the machine; and what was held up by that
 * comes in no time.
 */
function noisy(ms: number): number {
  const chance = random()
  return ms * (chance < 0.01 ? 10 : chance < 0.03 ? 0.0001 : 0.8 + 0.4 * random())
}

function steps(count: number, costs: EngineCosts, { running, adapters }: Load = varied): void {
  for (let at = 0; at < count; at += 1) {
    const requests = running()
    const distinct = adapters(requests)
    const { stepMs, perRequestMs, perAdapterMs } = costs
    fit.noteStep(
      noisy(stepMs + perRequestMs * requests + perAdapterMs * distinct),
      requests,
      distinct,
    )
  }
}

function firstTokens(count: number, costs: EngineCosts, tokens = () => random() * 4000): void {
  for (let at = 0; at < count; at += 1) {
    const promptTokens = tokens()
    const ms = 20 + costs.perPromptTokenMs * promptTokens
    fit.noteFirstToken(Math.max(20, noisy(ms)), promptTokens)
  }
}

function near(costs: EngineCosts | undefined, wanted: EngineCosts, part: number): void {
  for (const term of ['stepMs', 'perRequestMs', 'perAdapterMs', 'perPromptTokenMs'] as const) {
    expect(Math.abs((costs?.[term] ?? 0) / wanted[term] - 1), term).toBeLessThan(part)
  }
}

describe('what work costs is learned', () => {
  test('from streams that vary, to a quarter after some hundred', () => {
    steps(1024, llama)
    firstTokens(256, llama)
    near(fit.costs, llama, 0.25)
  })

  test('anew when the engines change', () => {
    const faster = { ...llama, stepMs: 6, perAdapterMs: 0.1, perPromptTokenMs: 0.02 }
    steps(3000, llama)
    firstTokens(3000, llama)
    steps(8000, faster)
    firstTokens(8000, faster)
    near(fit.costs, faster, 0.35)
  })

  test('never as less than nothing', () => {
    const free = { ...llama, perAdapterMs: 0, perPromptTokenMs: 0 }
    steps(2000, free)
    firstTokens(500, free)
    const { perAdapterMs = -1, perPromptTokenMs = -1 } = fit.costs ?? {}
    expect(perAdapterMs).toBeGreaterThanOrEqual(0)
    expect(perAdapterMs).toBeLessThan(0.1)
    expect(perPromptTokenMs).toBeGreaterThanOrEqual(0)
  })

  test('with loads as long as they took', () => {
    steps(1024, llama)
    firstTokens(256, llama)
    expect(fit.costs?.loadMs).toBe(0)
    fit.noteLoad(80)
    fit.noteLoad(100)
    expect(fit.costs?.loadMs).toBeCloseTo(90)
  })
})

describe('nothing is said', () => {
  test('of few streams', () => {
    steps(100, llama)
    firstTokens(1000, llama)
    expect(fit.costs).toBeUndefined()
    expect(fit.evidence).toMatchObject({ firstTokens: 1000, loads: 0 })
  })

  test.each<[string, Load]>([
    ['run the same all the time', { running: () => 20, adapters: () => 4 }],
    ['always run one adapter', { ...varied, adapters: () => 1 }],
    ['run an adapter for each request', { ...varied, adapters: (running) => running }],
  ])('of engines that %s', (_words, load) => {
    steps(3000, llama, load)
    firstTokens(1000, llama)
    expect(fit.costs).toBeUndefined()
  })

  test('of prompts that are all as long', () => {
    steps(3000, llama)
    firstTokens(3000, llama, () => 200)
    expect(fit.costs).toBeUndefined()
  })

  test('else when a varied time is over: what was learned still holds', () => {
    steps(1024, llama)
    firstTokens(256, llama)
    steps(5000, llama, { running: () => 20, adapters: () => 4 })
    near(fit.costs, llama, 0.3)
  })
})
