import { labCosts, labEngine } from '../../src/sim/lab/lab-engine.ts'
import { outcomeOf, type Outcome } from '../../src/sim/lab/outcome.ts'
import { policyNamed } from '../../src/sim/lab/policy-names.ts'
import type { RoutePolicy } from '../../src/sim/lab/policy.ts'
import { runLab } from '../../src/sim/lab/run-lab.ts'
import type { Tape } from '../../src/sim/lab/tape.ts'
import { h100Llama8b, type LatencyProfile } from '../../src/sim/profile.ts'

export const objective = { ttftMs: 1000, tpotMs: 50 } as const

export interface CapacityCase {
  readonly name: string
  /** The tape at this load: requests a second, or times the recorded load. */
  readonly tapeAt: (load: number) => Tape
  /** Where the search begins. */
  readonly from: number
  readonly slots: number
  /** Adapters in host memory. */
  readonly hostMemory: number
  readonly profile?: LatencyProfile
  readonly replicas?: number
  /** Part of the requests that has to keep the objective; 0.99. */
  readonly wanted?: number
  /** Left out at the beginning; a minute, or a quarter of a tape that is shorter than four. */
  readonly warmUpMs?: number
}

/** A policy by name, or one made for the purpose. */
export type PolicyOf = string | (() => RoutePolicy)

export interface FoundCapacity {
  readonly load: number
  /** At that load. */
  readonly outcome: Outcome | undefined
}

const usuallyWanted = 0.99
const usualWarmUpMs = 60_000
/** Between the load that is kept and the one that is not. */
const precision = 0.02

export function engineOf({ slots, hostMemory, profile = h100Llama8b }: CapacityCase) {
  return labEngine({
    profile,
    maxLoras: slots,
    maxCpuLoras: Math.max(slots, hostMemory),
    maxLoraRank: 16,
    // vLLM's default for this class of GPU
    maxNumSeqs: 1024,
    maxNumBatchedTokens: 2048,
  })
}

export function play(one: CapacityCase, policy: PolicyOf, load: number): Outcome {
  const engine = engineOf(one)
  const context = { costs: labCosts(engine), objective, kvTokens: engine.kvTokens }
  const made = typeof policy === 'string' ? policyNamed(policy, context) : policy()
  if (made === undefined) {
    throw new Error(`no policy ${String(policy)}`)
  }
  const { replicas = 8, warmUpMs = usualWarmUpMs } = one
  const tape = one.tapeAt(load)
  const run = runLab({
    tape,
    policy: made,
    replicas,
    engine,
    seed: 1,
    afterMs: 30_000,
  })
  const lastMs = tape.at(-1)?.atMs ?? 0
  return outcomeOf(run, objective, Math.min(warmUpMs, lastMs / 4))
}

/** The greatest load at which enough requests keep the objective: half as much again each time, then halving the gap down to 2 %. */
export function findCapacity(one: CapacityCase, policy: PolicyOf): FoundCapacity {
  const { wanted = usuallyWanted } = one
  let low = 0
  let high = one.from
  let outcome: Outcome | undefined
  for (;;) {
    const seen = play(one, policy, high)
    if (seen.attainment < wanted) {
      break
    }
    outcome = seen
    low = high
    high *= 1.5
  }
  if (low === 0) {
    high = one.from
    low = one.from / 16
  }
  while (high - low > low * precision) {
    const middle = (low + high) / 2
    const seen = play(one, policy, middle)
    if (seen.attainment >= wanted) {
      low = middle
      outcome = seen
    } else {
      high = middle
    }
  }
  return { load: low, outcome }
}
