import type { ModelAdapter } from '../model-types.ts'
import type { Random } from './random.ts'
import type { LabReplica } from './lab-replica.ts'
import type { LabRequest } from './lab-request.ts'

/** What a rule decides on. */
export interface RouteView {
  readonly nowMs: number
  /** Those that take requests, by index. */
  readonly replicas: readonly LabReplica[]
  readonly random: Random
}

/** `Send` at once, `Wait` at the gateway until something ends, or `Load` there and wait. */
export type RouteChoice =
  | { readonly choice: 'Send'; readonly to: LabReplica }
  | { readonly choice: 'Load'; readonly to: LabReplica }
  | { readonly choice: 'Wait' }

/** A rule that says where a request goes. */
export interface RoutePolicy {
  readonly name: string
  /** Where the rule comes from. */
  readonly source: string
  /** Adapters are brought to replicas by plan, and only sent to where they are; else every replica has every name. */
  readonly isPlanned: boolean
  /**
   * Before the first request, for who plans: brings all adapters there are to replicas, by `LabReplica.preload`. Absent: each
   * replica has those that are called first.
   */
  readonly begin?: ((adapters: readonly ModelAdapter[], view: RouteView) => void) | undefined
  route(request: LabRequest, view: RouteView): RouteChoice
  /** Every few seconds, for who plans; undefined: nothing is planned. */
  plan?(view: RouteView): void
}

export const wait: RouteChoice = { choice: 'Wait' }

export function send(to: LabReplica): RouteChoice {
  return { choice: 'Send', to }
}

export function load(to: LabReplica): RouteChoice {
  return { choice: 'Load', to }
}
