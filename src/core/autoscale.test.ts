import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { at, policy, run } from '../../test/support/autoscale-plant.ts'
import { decideReplicas, type AutoscaleInput } from './autoscale.ts'
import { emptyMemory, type AutoscaleMemory } from './autoscale-memory.ts'

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

  test('those who wait for adapters, again and again, are no sign of full replicas', () => {
    let memory = emptyMemory(0)
    for (let second = 0; second < 600; second += 1) {
      const arrivals = 8 * second
      const waiting = second % 30 > 24 ? 40 : 0
      const demand = { waiting, cold: waiting, running: 8, arrivals, isFresh: true }
      const decision = decideReplicas(at({ nowMs: second * 1000, demand }), memory)
      expect(decision.desired).toBe(1)
      memory = decision.memory
    }
  })

  test('who waits for an adapter orders no replicas before anybody was served, and keeps none', () => {
    const desired = (waiting: number, cold: number, current: number, ready = current) => {
      const demand = { waiting, cold, running: 3, arrivals: 63, isFresh: true }
      const memory = { ...emptyMemory(0), sinceMs: -1e6 }
      const given = at({ nowMs: 301_000, demand, replicas: { current, ready } })
      return decideReplicas(given, memory).desired
    }
    expect([desired(60, 60, 1), desired(60, 0, 1)]).toEqual([1, 4])
    expect([desired(40, 40, 3), desired(40, 0, 3)]).toEqual([1, 4])
    expect([desired(2, 2, 3, 2), desired(2, 0, 3, 2)]).toEqual([1, 3])
  })

  test('who only counts tokens brings no replicas, however many do', () => {
    let memory = emptyMemory(0)
    for (let second = 0; second < 120; second += 1) {
      const demand = { waiting: 0, running: 32, arrivals: 0, calls: 32 * second, isFresh: true }
      const decision = decideReplicas(at({ nowMs: second * 1000, demand }), memory)
      memory = decision.memory
      if (second > 0) {
        expect(decision.desired).toBe(1)
      }
    }
  })

  test('who only counts tokens wants the pool awake', () => {
    const desiredAfter = (callsPerMinute: number): number => {
      let [memory, desired] = [emptyMemory(0), 1]
      for (let second = 0; second < 1000; second += 1) {
        const calls = Math.floor((second / 60) * callsPerMinute)
        const demand = { waiting: 0, running: 0, arrivals: 0, calls, isFresh: true }
        const decision = decideReplicas(at({ nowMs: second * 1000, demand }), memory)
        ;({ memory, desired } = decision)
      }
      return desired
    }
    expect([desiredAfter(0), desiredAfter(6)]).toEqual([0, 1])
  })

  test('a pool that sleeps at once does not while it is asked', () => {
    const asleep = { ...policy, scaleToZeroAfterSeconds: 0 }
    const given = { policy: asleep, replicas: { current: 0, ready: 0 } }
    expect(decideReplicas(at({ ...given, waiting: 1 }), emptyMemory(0)).desired).toBe(1)
    expect(decideReplicas(at(given), emptyMemory(0)).desired).toBe(0)
  })

  test('what was wanted is remembered by its most, however long it counts', () => {
    const ofDays = { ...policy, scaleDownStabilizationSeconds: 604_800 }
    let memory = emptyMemory(0)
    for (let second = 0; second < 5000; second += 1) {
      const running = 30 + (second % 7)
      const demand = { waiting: 0, running, arrivals: running * second, isFresh: true }
      const replicas = { current: 9, ready: 9 }
      const given = at({ policy: ofDays, nowMs: second * 1000, demand, replicas })
      memory = decideReplicas(given, memory).memory
    }
    expect(memory.wants.length).toBeLessThan(20)
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
