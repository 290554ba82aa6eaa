import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decideReplicas, type AutoscaleInput, type AutoscalePolicy } from './autoscale.ts'
import type { EngineCosts } from './route-cost.ts'
import { emptyMemory, type AutoscaleMemory } from './autoscale-memory.ts'

const policy: AutoscalePolicy = {
  minReplicas: 0,
  maxReplicas: 20,
  targetQueueDepth: 4,
  scaleToZeroAfterSeconds: 900,
  scaleDownStabilizationSeconds: 300,
}

interface Plant {
  readonly capacity: number
  readonly serviceSeconds: number
  readonly coldStartSeconds: number
  /** Requests a second, at a second. */
  readonly rate: (second: number) => number
  readonly seconds: number
  readonly policy?: Partial<AutoscalePolicy>
  readonly from?: number
  /** Tokens are counted, and the engine's costs are known. */
  readonly costs?: EngineCosts
}

interface Course {
  readonly desired: readonly number[]
  readonly waiting: readonly number[]
}

/** A pool in fluid: replicas that come up late, each with so many requests at once. One decision a second. */
function run(plant: Plant): Course {
  const rules = { ...policy, ...plant.policy }
  let memory = emptyMemory(0)
  let [waiting, running, arrivals, ended] = [0, 0, 0, 0]
  let ups: number[] = Array.from({ length: plant.from ?? 1 }, () => 0)
  const course = { desired: [] as number[], waiting: [] as number[] }
  for (let second = 0; second < plant.seconds; second += 1) {
    const ready = ups.filter((upAt) => upAt <= second).length
    const came = plant.rate(second)
    arrivals += came
    waiting += came
    ended += running / plant.serviceSeconds
    running -= running / plant.serviceSeconds
    const taken = Math.min(waiting, Math.max(0, ready * plant.capacity - running))
    running += taken
    waiting -= taken
    const whole = (value: number): number => (value < 0.01 ? 0 : value)
    const { desired, memory: next } = decideReplicas(
      {
        policy: rules,
        nowMs: second * 1000,
        demand: {
          waiting: whole(waiting),
          running: whole(running),
          arrivals,
          isFresh: true,
          ...(plant.costs === undefined
            ? {}
            : { inputTokens: arrivals * 1000, outputTokens: ended * 200 }),
        },
        replicas: { current: ups.length, ready },
        isJudging: false,
        service: plant.costs === undefined ? undefined : { tpotMs: 50, costs: plant.costs },
      },
      memory,
    )
    memory = next
    ups =
      desired >= ups.length
        ? [
            ...ups,
            ...Array.from({ length: desired - ups.length }, () => second + plant.coldStartSeconds),
          ]
        : ups.toSorted((left, right) => left - right).slice(0, desired)
    course.desired.push(desired)
    course.waiting.push(waiting)
  }
  return course
}

const at = (
  input: Partial<AutoscaleInput> & { readonly waiting?: number; readonly running?: number },
) =>
  ({
    policy,
    nowMs: 0,
    demand: {
      waiting: input.waiting ?? 0,
      running: input.running ?? 0,
      arrivals: (input.waiting ?? 0) + (input.running ?? 0),
      isFresh: true,
    },
    replicas: { current: 1, ready: 1 },
    isJudging: false,
    ...input,
  }) satisfies AutoscaleInput

describe('how many replicas', () => {
  const cases: readonly {
    readonly name: string
    readonly given: AutoscaleInput
    readonly memory?: AutoscaleMemory
    readonly want: number
  }[] = [
    {
      name: 'the first request wakes a pool at zero',
      given: at({ waiting: 1, replicas: { current: 0, ready: 0 } }),
      want: 1,
    },
    {
      name: 'a pool at zero stays there while nothing is asked',
      given: at({ replicas: { current: 0, ready: 0 } }),
      want: 0,
    },
    {
      name: 'a revision that waits to be judged wakes it too',
      given: at({ isJudging: true, replicas: { current: 0, ready: 0 } }),
      want: 1,
    },
    {
      name: 'from zero a burst brings several at once, and not one for every twelve requests',
      given: at({ waiting: 1000, replicas: { current: 0, ready: 0 } }),
      want: 4,
    },
    {
      name: 'a pool that starts is never below its least',
      given: at({ policy: { ...policy, minReplicas: 3 }, replicas: { current: 0, ready: 0 } }),
      want: 3,
    },
    {
      name: 'nor above its most',
      given: at({
        waiting: 1000,
        policy: { ...policy, maxReplicas: 2 },
        replicas: { current: 1, ready: 1 },
      }),
      want: 2,
    },
    {
      name: 'one replica stays until the pool was idle for long enough',
      given: at({ nowMs: 899_000 }),
      want: 1,
    },
    { name: 'then it goes', given: at({ nowMs: 900_000 }), want: 0 },
    {
      name: 'but not while a gateway is silent',
      given: at({
        nowMs: 900_000,
        demand: { waiting: 0, running: 0, arrivals: 0, isFresh: false },
      }),
      want: 1,
    },
    {
      name: 'what was not watched for the stabilisation time does not shrink',
      given: at({ nowMs: 299_000, running: 1, replicas: { current: 5, ready: 5 } }),
      want: 5,
    },
    {
      name: 'waiting within the target changes nothing',
      given: at({ waiting: 3, running: 8 }),
      want: 1,
    },
  ]
  test.each(cases)('$name', ({ given, memory, want }) => {
    expect(decideReplicas(given, memory ?? emptyMemory(0)).desired).toBe(want)
  })
})

describe('over time', () => {
  const step = (second: number): number => (second < 120 ? 0.5 : 2)

  test('four times the load is answered within ten seconds', () => {
    const { desired } = run({
      capacity: 8,
      serviceSeconds: 10,
      coldStartSeconds: 60,
      rate: step,
      seconds: 400,
    })
    const decided = desired.findIndex((count, second) => second >= 120 && count >= 3)
    expect(decided - 120).toBeLessThanOrEqual(10)
  })

  test.each([5, 60, 240])('with a cold start of %i s it does not overshoot', (coldStartSeconds) => {
    const { desired, waiting } = run({
      capacity: 8,
      serviceSeconds: 10,
      coldStartSeconds,
      rate: step,
      seconds: 3600,
    })
    // 2 a second for 10 s are 20 at once: 2.5 replicas, 4 with headroom.
    expect(Math.max(...desired)).toBeLessThanOrEqual(7)
    expect(waiting.at(-1)).toBeLessThan(8)
  })

  test('under a steady load it comes to rest', () => {
    const { desired } = run({
      capacity: 8,
      serviceSeconds: 10,
      coldStartSeconds: 30,
      rate: () => 2,
      seconds: 3600,
    })
    expect(new Set(desired.slice(-1200)).size).toBe(1)
  })

  test('after a burst it goes to zero, and stays', () => {
    const { desired } = run({
      capacity: 8,
      serviceSeconds: 5,
      coldStartSeconds: 10,
      rate: (second) => (second < 60 ? 4 : 0),
      seconds: 1200,
      policy: { scaleToZeroAfterSeconds: 120, scaleDownStabilizationSeconds: 60 },
      from: 0,
    })
    expect(Math.max(...desired)).toBeGreaterThan(1)
    expect(new Set(desired.slice(-600))).toEqual(new Set([0]))
  })

  test('whatever comes, it stays within its bounds and serves what waits', () => {
    fc.assert(
      fc.property(
        fc.record({
          capacity: fc.integer({ min: 1, max: 64 }),
          serviceSeconds: fc.integer({ min: 1, max: 30 }),
          coldStartSeconds: fc.integer({ min: 0, max: 120 }),
          rates: fc.array(fc.float({ min: 0, max: 10, noNaN: true }), {
            minLength: 1,
            maxLength: 6,
          }),
          minReplicas: fc.integer({ min: 0, max: 3 }),
        }),
        ({ rates, minReplicas, ...plant }) => {
          const maxReplicas = 12
          const { desired, waiting } = run({
            ...plant,
            rate: (second) => rates[Math.floor(second / 200)] ?? 0,
            seconds: rates.length * 200 + 400,
            policy: { minReplicas, maxReplicas },
          })
          expect(Math.min(...desired)).toBeGreaterThanOrEqual(minReplicas)
          expect(Math.max(...desired)).toBeLessThanOrEqual(maxReplicas)
          const isBeyond = Math.max(...rates) * plant.serviceSeconds > maxReplicas * plant.capacity
          expect(isBeyond || (waiting.at(-1) ?? 0) < 1 + plant.capacity).toBe(true)
        },
      ),
      { numRuns: 60 },
    )
  })
})

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

test('what starts for those who wait is not taken back before it is there', () => {
  const rules = { ...policy, scaleDownStabilizationSeconds: 4 }
  let memory = emptyMemory(0)
  const desiredAt = (second: number, waiting: number, ready: number): number => {
    const decided = decideReplicas(
      {
        policy: rules,
        nowMs: second * 1000,
        demand: { waiting, running: 2, arrivals: 12 + second, isFresh: true },
        replicas: { current: 4, ready },
        isJudging: false,
      },
      memory,
    )
    memory = decided.memory
    return decided.desired
  }
  for (let second = 0; second < 30; second += 1) {
    expect(desiredAt(second, second % 2 === 0 ? 10 : 1, 1)).toBe(4)
  }
  const later = Array.from({ length: 90 }, (_, at) => desiredAt(30 + at, 0, 4))
  expect(later.at(-1)).toBeLessThan(4)
})
