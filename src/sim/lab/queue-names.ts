import type { RoutePolicy } from './policy.ts'
import { Dlpm } from './queues/dlpm.ts'
import { fairShareQueue } from './queues/fair-share-queue.ts'
import { FirstCome } from './queues/first-come.ts'
import { RequestsPerMinute } from './queues/requests-per-minute.ts'
import { SlackOrder } from './queues/slack-order.ts'
import { equalWeights, type TenantOrder, type WeightOf } from './queues/tenant-order.ts'
import { TenantQueue } from './queues/tenant-queue.ts'
import { Vtc } from './queues/vtc.ts'
import type { RequestQueue } from './request-queue.ts'
import { WaitingLines } from './waiting-lines.ts'
import { withPlaces } from './with-places.ts'

export interface QueueContext {
  /** Where requests go, whoever is next. */
  readonly policy: RoutePolicy
  /** What AIBrix's profile says of a prompt's token. */
  readonly promptTokenMs: number
  /** That `rpm` lets a tenant have. */
  readonly requestsPerMinute: number
  /** Default: all alike. */
  readonly weightOf?: WeightOf | undefined
  /** Requests that may be at one replica; absent: learned, and without a bound for `lines`. */
  readonly limit?: number | undefined
}

/** A queue with the routing rule that it is used with: one that leaves requests with it while a replica is full. */
export interface NamedQueue {
  readonly queue: RequestQueue
  readonly policy: RoutePolicy
}

type QueueMaker = (context: QueueContext) => NamedQueue

/** Every discipline of the gateway's queue by the name it is asked for. One has state of its own: one a run. */
const makers: ReadonlyMap<string, QueueMaker> = new Map<string, QueueMaker>([
  ['lines', lines],
  ['fcfs', (context) => held(new FirstCome(), context)],
  ['vtc', (context) => held(new Vtc(weightOf(context)), context)],
  ['dlpm', (context) => held(new Dlpm({ weightOf: weightOf(context) }), context)],
  ['rpm', (context) => held(new RequestsPerMinute(context.requestsPerMinute), context)],
  ['aibrix-slo', (context) => held(new SlackOrder(context.promptTokenMs), context)],
  ['loraplex', (context) => fairShareQueue({ ...context, weightOf: weightOf(context) })],
])

/** What routing rules are compared with. */
export const usualQueue = 'lines'

export const queueNames: readonly string[] = [...makers.keys()]

/** A fresh queue; undefined where there is none of that name. */
export function queueNamed(name: string, context: QueueContext): NamedQueue | undefined {
  return makers.get(name)?.(context)
}

/** Sends at once whatever the rule sends: what waits, waits in engines, unless there is a bound. */
function lines({ policy, limit }: QueueContext): NamedQueue {
  return {
    queue: new WaitingLines(),
    policy: limit === undefined ? policy : withPlaces(policy, { limit }),
  }
}

function held(order: TenantOrder, { policy, limit }: QueueContext): NamedQueue {
  const places = limit === undefined ? {} : { limit }
  return { queue: new TenantQueue(order), policy: withPlaces(policy, places) }
}

function weightOf(context: QueueContext): WeightOf {
  return context.weightOf ?? equalWeights
}
