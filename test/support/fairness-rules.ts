// Rules of fairness to compare, each with the route it is used with.
import type { EngineCosts } from '../../src/core/route-cost.ts'
import type { ModelOptions } from '../../src/sim/model-types.ts'
import { h100Llama8b } from '../../src/sim/profile.ts'
import { vtcBasic } from '../../src/sim/lab/policies/aibrix.ts'
import { ours } from '../../src/sim/lab/policies/ours.ts'
import { leastRequests } from '../../src/sim/lab/policies/simple.ts'
import type { RoutePolicy } from '../../src/sim/lab/policy.ts'
import { queueNamed, type QueueContext } from '../../src/sim/lab/queue-names.ts'
import { FairShareOrder } from '../../src/sim/lab/queues/fair-share-order.ts'
import { FirstCome } from '../../src/sim/lab/queues/first-come.ts'
import type { WeightOf } from '../../src/sim/lab/queues/tenant-order.ts'
import { TenantQueue } from '../../src/sim/lab/queues/tenant-queue.ts'
import type { RequestQueue } from '../../src/sim/lab/request-queue.ts'
import { WaitingLines } from '../../src/sim/lab/waiting-lines.ts'
import { withPlaces } from '../../src/sim/lab/with-places.ts'
import type { FairnessTape } from './fairness-tapes.ts'
import { LabGateways } from './lab-gateways.ts'

/** One H100 as in the public runs: 32 slots of rank 16, and what they leave of the KV cache. */
export const fairnessEngine: ModelOptions = {
  profile: h100Llama8b,
  maxLoras: 32,
  maxCpuLoras: 64,
  maxNumSeqs: 256,
  maxNumBatchedTokens: 2048,
  kvTokens: h100Llama8b.kvTokens - h100Llama8b.kvTokensPerSlotRank * 16 * 32,
}

const costs: EngineCosts = {
  ...h100Llama8b,
  perPromptTokenMs: h100Llama8b.perPrefillTokenMs,
  loadMs: h100Llama8b.diskToHostMs + h100Llama8b.hostToSlotMs,
}

const promptTokenMs = costs.perPromptTokenMs

/** Where requests go, whoever is next. */
function routeOf(route: Route): RoutePolicy {
  return route === 'ours' ? ours({ costs }) : leastRequests()
}

/** How many gateways share a fleet, each with counters of its own. */
const gatewayCounts = [1, 2, 4]

export type Route = 'ours' | 'least-requests'

export interface RuleOptions {
  readonly route: Route
  readonly seed: number
  /** Beginnings of names; none: all rules. */
  readonly chosen: readonly string[]
}

export interface FairnessRule {
  readonly name: string
  readonly queue: RequestQueue
  readonly policy: RoutePolicy
}

/** FCFS first, ours last: they are compared. */
export function fairnessRules(tape: FairnessTape, options: RuleOptions): readonly FairnessRule[] {
  const { weightOf, perMinute, isHopeless } = tape
  const { route, seed, chosen } = options
  const held = (queue: RequestQueue, name = queue.name): FairnessRule => ({
    name,
    queue,
    policy: withPlaces(routeOf(route)),
  })
  const atOnce = [
    { name: 'no queue', queue: new WaitingLines(), policy: leastRequests() },
    { name: 'aibrix-vtc', queue: new WaitingLines(), policy: vtcBasic() },
  ]
  const gateways = gatewayCounts.map((count) => new LabGateways(count, weightOf, seed))
  const byName = (name: string, requestsPerMinute = perMinute): readonly FairnessRule[] =>
    named(name, { policy: routeOf(route), weightOf, promptTokenMs, requestsPerMinute })
  const all = [
    ...byName('fcfs'),
    ...(isHopeless ? [] : atOnce),
    held(new WaitingLines()),
    ...byName('aibrix-slo'),
    ...byName('rpm'),
    ...byName('rpm', 2 * perMinute),
    ...byName('dlpm'),
    ...byName('vtc'),
    {
      ...held(new TenantQueue(new FairShareOrder(weightOf)), 'prompts held'),
      policy: withPlaces(routeOf(route), { promptTokens: 4 * fairnessEngine.maxNumBatchedTokens }),
    },
    ...gateways.map((queue) => ({ name: queue.name, queue, policy: queue.policy })),
    ...(route === 'ours' ? kept(weightOf) : []),
    ...byName('loraplex'),
  ]
  return all.filter(
    ({ name }, at) =>
      chosen.length === 0 ||
      at === 0 ||
      at === all.length - 1 ||
      (route === 'ours' && at >= all.length - 3) ||
      chosen.some((rule) => name.startsWith(rule)),
  )
}

/** As `loraplex lab --queue` has it. */
function named(name: string, context: QueueContext): readonly FairnessRule[] {
  const made = queueNamed(name, context)
  return made === undefined ? [] : [{ name: made.queue.name, ...made }]
}

/** Where adapters are at few replicas: FCFS that knows of none, and ours kept to the plan. */
function kept(weightOf: WeightOf): readonly FairnessRule[] {
  return [
    {
      name: 'fcfs, blind',
      queue: new TenantQueue(new FirstCome()),
      policy: withPlaces(leastRequests()),
    },
    {
      name: 'no straying',
      queue: new TenantQueue(new FairShareOrder(weightOf)),
      policy: withPlaces(routeOf('ours')),
    },
  ]
}
