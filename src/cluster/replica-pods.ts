import { isIPv6 } from 'node:net'
import { annotations, labels, replicaNameOf, replicaPorts } from '../api/cluster-names.ts'
import type { KubeObject, ResourceType } from '../resources/kubernetes/types.ts'

/** What is read of a replica's pod. */
export interface ReplicaPod extends KubeObject {
  readonly status?: {
    readonly phase?: string
    readonly podIP?: string
    readonly initContainerStatuses?: readonly {
      readonly name: string
      readonly state?: { readonly running?: object }
    }[]
  }
}

export const podType: ResourceType<ReplicaPod> = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  namespaced: true,
}

/** Selects the pods that this file understands. */
export const replicaPodSelector = `${labels.component}=engine,${labels.pool},${labels.poolRevision}`

/** A replica as its pod tells of it; two that are equal in every field are the same. */
export interface ReplicaDescription {
  readonly name: string
  readonly poolKey: string
  readonly poolRevision: string
  readonly servedModelName: string
  readonly engineUrl: string
  readonly agentUrl: string
}

/**
 * The replicas that may take requests, as far as pods tell: whether one is ready, its agent says. A pod is only ever of a
 * pool in its own namespace, whatever its labels claim: nobody can put an engine under a neighbour's pool (I1, I7).
 */
export function replicasOfPods(pods: Iterable<ReplicaPod>): readonly ReplicaDescription[] {
  return [...pods]
    .map(replicaOfPod)
    .filter((replica) => replica !== undefined)
    .sort((left, right) => (left.name < right.name ? -1 : 1))
}

/** Undefined for a pod that is none, that has no address yet, or that is on its way out. */
export function replicaOfPod(pod: ReplicaPod): ReplicaDescription | undefined {
  const { name, namespace = '', uid = '', deletionTimestamp } = pod.metadata
  const has = pod.metadata.labels ?? {}
  const pool = has[labels.pool]
  const poolRevision = has[labels.poolRevision]
  const servedModelName = pod.metadata.annotations?.[annotations.servedModelName]
  const address = pod.status?.podIP ?? ''
  if (
    has[labels.component] !== 'engine' ||
    pool === undefined ||
    poolRevision === undefined ||
    servedModelName === undefined ||
    address === '' ||
    deletionTimestamp !== undefined ||
    !mayAnswer(pod)
  ) {
    return undefined
  }
  const host = isIPv6(address) ? `[${address}]` : address
  return {
    name: replicaNameOf({ namespace, name, uid }),
    poolKey: `${namespace}/${pool}`,
    poolRevision,
    servedModelName,
    engineUrl: `http://${host}:${replicaPorts.engine}`,
    agentUrl: `http://${host}:${replicaPorts.agent}`,
  }
}

/** Its agent runs. In a pending pod it does, as soon as the weights are there; one that ended runs nothing any more. */
function mayAnswer({ status }: ReplicaPod): boolean {
  switch (status?.phase ?? '') {
    case 'Running':
      return true
    case 'Pending':
      return (status?.initContainerStatuses ?? []).some(
        ({ name, state }) => name === 'agent' && state?.running !== undefined,
      )
    default:
      return false
  }
}

/** Drops what nobody reads: a gateway may know thousands of pods. */
export function trimReplicaPod(pod: ReplicaPod): ReplicaPod {
  const { name, namespace, uid, resourceVersion, deletionTimestamp } = pod.metadata
  const servedModelName = pod.metadata.annotations?.[annotations.servedModelName]
  const has = pod.metadata.labels ?? {}
  const kept = [labels.component, labels.pool, labels.poolRevision]
  const agents = pod.status?.initContainerStatuses?.filter(({ name: of }) => of === 'agent')
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
      labels: Object.fromEntries(kept.flatMap((key) => pairOf(key, has[key]))),
      annotations: Object.fromEntries(pairOf(annotations.servedModelName, servedModelName)),
    },
    status: {
      ...(pod.status?.phase === undefined ? {} : { phase: pod.status.phase }),
      ...(pod.status?.podIP === undefined ? {} : { podIP: pod.status.podIP }),
      ...(agents === undefined ? {} : { initContainerStatuses: agents }),
    },
  }
}

function pairOf(key: string, value: string | undefined): (readonly [string, string])[] {
  return value === undefined ? [] : [[key, value]]
}
