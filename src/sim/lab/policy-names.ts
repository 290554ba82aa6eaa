import type { EngineCosts } from '../../core/route-cost.ts'
import type { Objective } from './outcome.ts'
import type { RoutePolicy } from './policy.ts'
import { vtcBasic } from './policies/aibrix.ts'
import { chwbl } from './policies/chwbl.ts'
import { dynamoHrw } from './policies/dynamo.ts'
import { llmD } from './policies/llm-d.ts'
import { ours, oursParts } from './policies/ours.ts'
import { preble } from './policies/preble.ts'
import { lMetric, toppings } from './policies/products.ts'
import { rendezvous } from './policies/rendezvous.ts'
import { leastRequests, powerOfTwo, randomPolicy, roundRobin } from './policies/simple.ts'

/** What a rule may know of the engines it routes to. */
export interface PolicyContext {
  readonly costs: EngineCosts
  readonly objective: Objective
  /** Of one replica. */
  readonly kvTokens: number
}

type PolicyMaker = (context: PolicyContext) => RoutePolicy

/** Every routing rule by the name it is asked for. A rule has state of its own: one a run. */
const makers: ReadonlyMap<string, PolicyMaker> = new Map<string, PolicyMaker>([
  ['loraplex', ({ costs }) => ours({ costs })],
  ['random', randomPolicy],
  ['round-robin', roundRobin],
  ['least-requests', leastRequests],
  ['power-of-two', powerOfTwo],
  ['rendezvous', rendezvous],
  ['chwbl', () => chwbl()],
  ['llm-d', () => llmD()],
  ['llm-d-lora-1', () => llmD(1)],
  ['llm-d-lora-3', () => llmD(3)],
  ['llm-d-lora-4', () => llmD(4)],
  ['vtc-basic', vtcBasic],
  ['preble', preble],
  ['dynamo-hrw', dynamoHrw],
  ['lmetric', lMetric],
  ['toppings', ({ costs, objective }) => toppings({ costs, tpotMs: objective.tpotMs })],
])

/** Ours without one of its parts, and before anything is learned. */
const ablations: ReadonlyMap<string, PolicyMaker> = new Map<string, PolicyMaker>([
  ['loraplex-uncalibrated', () => ours({ costs: undefined })],
  ...oursParts.map((without): [string, PolicyMaker] => [
    `loraplex-no-${without}`,
    ({ costs }) => ours({ costs, without }),
  ]),
])

export const policyNames: readonly string[] = [...makers.keys()]
export const ablationNames: readonly string[] = [...ablations.keys()]

/** A fresh rule; undefined where there is none of that name. */
export function policyNamed(name: string, context: PolicyContext): RoutePolicy | undefined {
  return (makers.get(name) ?? ablations.get(name))?.(context)
}
