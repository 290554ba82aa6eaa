import type { KubeJson } from './product.ts'

/** What whoever waits as kstatus does makes of an object: Flux, Argo CD, `helm --wait` since Helm 4. */
export function kstatusOf({ metadata, status }: KubeJson): 'InProgress' | 'Failed' | 'Current' {
  const isTrue = (type: string): boolean =>
    (status?.conditions ?? []).some((one: KubeJson) => one.type === type && one.status === 'True')
  const isFalse = (type: string): boolean =>
    (status?.conditions ?? []).some((one: KubeJson) => one.type === type && one.status === 'False')
  const observed = status?.observedGeneration
  if (metadata.deletionTimestamp !== undefined) {
    return 'InProgress'
  }
  if (observed !== undefined && observed !== metadata.generation) {
    return 'InProgress'
  }
  if (isTrue('Reconciling')) {
    return 'InProgress'
  }
  if (isTrue('Stalled')) {
    return 'Failed'
  }
  // Without any condition, an object is taken for done.
  return isFalse('Ready') ? 'InProgress' : 'Current'
}
