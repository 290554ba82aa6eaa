import {
  decideReplicas,
  type AutoscaleInput,
  type AutoscalePolicy,
} from '../../src/core/autoscale.ts'
import { emptyMemory } from '../../src/core/autoscale-memory.ts'
import type { EngineCosts } from '../../src/core/route-cost.ts'

export const policy: AutoscalePolicy = {
  minReplicas: 0,
  maxReplicas: 20,
  targetQueueDepth: 4,
  scaleToZeroAfterSeconds: 900,
  scaleDownStabilizationSeconds: 300,
}

export interface Plant {
  readonly capacity: number
  readonly serviceSeconds: number
  readonly coldStartSeconds: number
  /** Requests a second, at a second. */
  readonly rate: (second: number) => number
  readonly seconds: number
  readonly policy?: Partial<AutoscalePolicy>
  readonly from?: number
  /** In flight where anything is, at most. */
  readonly adapters?: number
  /** Tokens are counted, and the engine's costs are known. */
  readonly costs?: EngineCosts
}

export interface Course {
  readonly desired: readonly number[]
  readonly waiting: readonly number[]
}

/** A pool in fluid: replicas that come up late, each with so many requests at once. One decision a second. */
export function run(plant: Plant): Course {
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
        replicas: {
          current: ups.length,
          ready,
          ...(plant.adapters === undefined
            ? {}
            : { activeAdapters: Math.min(whole(running), plant.adapters) }),
        },
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

/** One moment. */
export const at = (
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
