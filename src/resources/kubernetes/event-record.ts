import type { KubeObject, ResourceType } from './types.ts'

/** An `events.k8s.io/v1` Event. */
export interface EventObject extends KubeObject {
  readonly eventTime: string
  readonly reportingController: string
  readonly reportingInstance: string
  readonly action: string
  readonly reason: string
  readonly regarding: ObjectReference
  readonly note: string
  readonly type: 'Normal' | 'Warning'
  readonly series?: { readonly count: number; readonly lastObservedTime: string }
}

export interface ObjectReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
}

export const eventType: ResourceType<EventObject> = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
}

/** What happened, in the words of `kubectl get events`. */
export interface EventNews {
  readonly regarding: ObjectReference
  readonly type: 'Normal' | 'Warning'
  /** CamelCase, a condition's reason where there is one. */
  readonly reason: string
  /** CamelCase, what was being done: `Reconcile`, `ScaleDown`. */
  readonly action: string
  /** For people; cut at 1 kB. Never a prompt, an answer or a secret (I14). */
  readonly note: string
}
