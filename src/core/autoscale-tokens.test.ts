import { describe, expect, test } from 'vitest'
import { at, run } from '../../test/support/autoscale-plant.ts'
import { decideReplicas } from './autoscale.ts'
import { emptyMemory } from './autoscale-memory.ts'
import type { EngineCosts } from './route-cost.ts'

describe('by tokens, with costs known', () => {
  /** Prompts take half of the room of a step and writing the other half: 8 requests a second fill a replica. */
  const costs: EngineCosts = {
    stepMs: 10,
    perRequestMs: 0.25,
    perAdapterMs: 0,
    perPromptTokenMs: 0.05,
    loadMs: 100,
  }
  const plant = { capacity: 80, serviceSeconds: 10, coldStartSeconds: 60, costs, from: 2 }
  const step = (second: number): number => (second < 300 ? 12 : 48)

  test('four times the load is answered within five seconds, and not by half as much again', () => {
    const { desired } = run({ ...plant, rate: step, seconds: 1200 })
    const needed = 6
    const decided = desired.findIndex((count, second) => second >= 300 && count >= needed)
    expect(decided - 300).toBeLessThanOrEqual(5)
    expect(Math.max(...desired)).toBeLessThanOrEqual(9)
  })

  test('a load that goes back is followed after about a cold start', () => {
    const { desired } = run({
      ...plant,
      from: 8,
      rate: (second) => (second < 600 ? 48 : 12),
      seconds: 1200,
    })
    const down = desired.findIndex((count, second) => second > 600 && count <= 3)
    // No cold start was seen: the policy's 300 s, and the minute that rates are taken over.
    expect(down - 600).toBeGreaterThanOrEqual(300)
    expect(down - 600).toBeLessThanOrEqual(361)
  })

  test('once a cold start was seen, replicas are kept for as long as one takes', () => {
    const rate = (second: number): number => (second >= 300 && second < 900 ? 48 : 12)
    const { desired } = run({ ...plant, rate, seconds: 1500 })
    const down = desired.findIndex((count, second) => second > 900 && count <= 4)
    expect(down - 900).toBeLessThanOrEqual(130)
  })

  test('what comes from nothing, for a while, is a number of replicas all the time', () => {
    const slow = { ...plant, coldStartSeconds: 120, from: 1, policy: { minReplicas: 1 } }
    const rate = (second: number): number => (second >= 300 && second < 480 ? 48 : 0)
    const { desired } = run({ ...slow, rate, seconds: 900 })
    expect(desired.every((count) => count >= 1 && count <= 20)).toBe(true)
    expect(Math.max(...desired)).toBeGreaterThanOrEqual(6)
  })

  test('the last replica goes when nothing was asked for as long as it says, adapters or not', () => {
    const rate = (second: number): number => (second < 200 ? 12 : 0)
    const { desired } = run({
      ...plant,
      costs: { ...costs, perAdapterMs: 0.5 },
      adapters: 20,
      rate,
      seconds: 1300,
      policy: { minReplicas: 0, scaleToZeroAfterSeconds: 300 },
    })
    const zero = desired.indexOf(0)
    // The last request ends half a minute after it came, and more.
    expect(zero).toBeGreaterThan(500)
    expect(zero).toBeLessThan(620)
  })

  test('what no growth lately would need again before it could be back goes after a minute', () => {
    // A slow cold start, and growth so slow that little would be needed again within one.
    const slow = { ...plant, coldStartSeconds: 240, from: 3 }
    const teeth = (second: number): number => (second < 1500 ? 12 + second / 40 : 12)
    const { desired } = run({ ...slow, rate: teeth, seconds: 2000 })
    const most = Math.max(...desired.slice(1400, 1500))
    const down = desired.findIndex((count, second) => second > 1500 && count <= most - 2)
    expect(most).toBeGreaterThanOrEqual(6)
    expect(down - 1500).toBeLessThanOrEqual(150)
  })

  test('a growth that goes on is met before it is there', () => {
    const rate = (second: number): number => 12 + Math.max(0, second - 300) / 30
    const { waiting, desired } = run({ ...plant, rate, seconds: 1500, policy: { minReplicas: 3 } })
    expect(Math.max(...waiting.slice(200))).toBeLessThan(8)
    expect(desired.at(-1)).toBeLessThanOrEqual(10)
  })

  test('under a steady load nothing comes and goes', () => {
    const { desired } = run({ ...plant, rate: () => 30, seconds: 3600, from: 5 })
    expect(new Set(desired.slice(400))).toEqual(new Set([5]))
  })

  test('an objective that one step alone misses is none: no number of replicas would keep it', () => {
    const slow = { ...costs, stepMs: 60 }
    const { costs: _, ...blind } = plant
    const course = { rate: () => 12, seconds: 600, from: 3 }
    expect(run({ ...plant, ...course, costs: slow }).desired).toEqual(
      run({ ...blind, ...course }).desired,
    )
  })

  test('a few requests in the first moments of counting are no rate to buy replicas by', () => {
    const service = { tpotMs: 50, costs }
    let memory = emptyMemory(0)
    const desired: number[] = []
    // Three came together; at that rate there would have to be twelve replicas and more.
    for (const [atMs, arrivals] of [
      [100, undefined],
      [200, 0],
      [300, 3],
      [1250, 3],
    ] as const) {
      const tokens =
        arrivals === undefined ? {} : { inputTokens: arrivals * 10_000, outputTokens: 0 }
      const demand = { waiting: 0, running: 3, arrivals: arrivals ?? 0, isFresh: true, ...tokens }
      const decided = decideReplicas({ ...at({ nowMs: atMs, service }), demand }, memory)
      memory = decided.memory
      desired.push(decided.desired)
    }
    expect(desired).toEqual([1, 1, 1, 1])
  })

  test('tokens that are counted only now are gone by as soon as a rate of them is known', () => {
    const service = { tpotMs: 50, costs }
    let memory = emptyMemory(0)
    let desired = 0
    for (let second = 0; second <= 60; second += 1) {
      const arrivals = 24 * second
      const tokens = { inputTokens: arrivals * 1000, outputTokens: arrivals * 200 }
      const demand = { waiting: 0, running: 1, arrivals, isFresh: true }
      const decided = decideReplicas(
        {
          ...at({ nowMs: second * 1000, service }),
          demand: second < 40 ? demand : { ...demand, ...tokens },
        },
        memory,
      )
      memory = decided.memory
      desired = decided.desired
      if (second === 39) {
        expect(desired).toBe(1)
      }
    }
    expect(desired).toBe(4)
  })

  test('answers are as long as those that were counted, whatever number of requests was refused', () => {
    const lengthOf = (answers?: number): number | undefined => {
      let { memory } = decideReplicas(at({}), emptyMemory(0))
      const demand = { waiting: 0, running: 0, arrivals: 100, isFresh: true, outputTokens: 0 }
      memory = decideReplicas(
        { ...at({ nowMs: 1000 }), demand: { ...demand, answers: answers && 0 } },
        memory,
      ).memory
      const more = { ...demand, arrivals: 200, outputTokens: 5000, answers }
      return decideReplicas({ ...at({ nowMs: 2000 }), demand: more }, memory).memory.answerTokens
    }
    expect(lengthOf()).toBe(50)
    expect(lengthOf(25)).toBe(200)
  })

  test('without costs or a line learned it follows the queue', () => {
    const { costs: _, ...blind } = plant
    const { desired } = run({ ...blind, rate: () => 30, seconds: 600, from: 5 })
    expect(Math.min(...desired)).toBeGreaterThanOrEqual(1)
  })
})
