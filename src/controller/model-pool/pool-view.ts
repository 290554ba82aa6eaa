import { labels } from '../../api/cluster-names.ts'
import type { PodView, ScaleDownInput } from '../../core/scale-down.ts'
import type { AgentRollout, RolloutView } from '../../core/rollout.ts'
import { revisionsAnnotation, templateAnnotation } from '../../core/rollout.ts'
import { replicasAnnotation } from '../../core/replica-count.ts'
import { keyOfObject } from '../../resources/kubernetes/object-key.ts'
import { isPodReady, type DeploymentObject, type PodObject } from './kube-shapes.ts'
import type { PodReplica } from './pod-replica.ts'
import { leavingAnnotation } from './pod-replicas.ts'

/** What of a Deployment decisions are made on. */
export interface DeploymentView {
  readonly replicas: number
  readonly written: string | undefined
  readonly poolRevision: string | undefined
  readonly appliedTemplate: string | undefined
  readonly revisions: readonly string[]
  readonly resourceVersion: string
  readonly hasSeenSpec: boolean
  /** As many pods as it says, all of one revision. */
  readonly isSettled: boolean
}

export function viewDeployment(live: DeploymentObject, pods: readonly PodObject[]): DeploymentView {
  const { metadata, spec, status } = live
  const notes = metadata.annotations ?? {}
  const replicas = spec?.replicas ?? 1
  const hasSeenSpec = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0)
  const staying = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined)
  return {
    replicas,
    written: notes[replicasAnnotation],
    poolRevision: spec?.template?.metadata?.labels?.[labels.poolRevision],
    appliedTemplate: notes[templateAnnotation],
    revisions: (notes[revisionsAnnotation] ?? '').split(',').filter((one) => one !== ''),
    resourceVersion: metadata.resourceVersion ?? '',
    hasSeenSpec,
    isSettled: hasSeenSpec && (status?.replicas ?? 0) === replicas && staying.length === replicas,
  }
}

/**
 * The pods as the scale-down sees them, in the API server and through their agents.
 *
 * @param rateOf requests a second; undefined for a revision that nobody would miss
 */
export function viewPods(
  pods: readonly PodObject[],
  replicaOf: (podKey: string) => PodReplica | undefined,
  rateOf: (revision: string) => number | undefined,
): ScaleDownInput['pods'] {
  const staying = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined)
  const copies = new Map<string, number>()
  for (const pod of staying) {
    for (const revision of replicaOf(keyOfObject(pod))?.routable() ?? []) {
      copies.set(revision, (copies.get(revision) ?? 0) + 1)
    }
  }
  return pods.map((pod): PodView => {
    const { metadata } = pod
    const replica = replicaOf(keyOfObject(pod))
    const sole = (replica?.routable() ?? [])
      .filter((revision) => copies.get(revision) === 1)
      .flatMap((revision) => rateOf(revision) ?? [])
    const mark = metadata.annotations?.[leavingAnnotation]
    return {
      name: metadata.name,
      isTerminating: metadata.deletionTimestamp !== undefined,
      isReady: isPodReady(pod),
      poolRevision: metadata.labels?.[labels.poolRevision] ?? '',
      createdMs: Date.parse(metadata.creationTimestamp ?? '') || 0,
      markedAtMs: mark === undefined ? undefined : Date.parse(mark) || 0,
      isDraining: replica?.isDraining ?? false,
      inFlight: replica?.inFlight ?? 0,
      soleCopies: sole.length,
      soleLoad: sole.reduce((sum, rate) => sum + rate, 0),
    }
  })
}

export function viewRollout(
  live: DeploymentObject | undefined,
  pods: readonly PodObject[],
  rest: {
    readonly desired: number
    readonly poolRevision: string
    readonly foreignReplicas: number | undefined
    readonly agentRollout: AgentRollout
  },
): RolloutView {
  const staying = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined)
  const updated = staying.filter(
    (pod) => pod.metadata.labels?.[labels.poolRevision] === rest.poolRevision,
  )
  const deadline = live?.status?.conditions?.find(({ type }) => type === 'Progressing')
  return {
    ...rest,
    replicas: live?.spec?.replicas ?? 0,
    updated: updated.length,
    // Those of an earlier spec serve callers, and whoever waits for this one waits for others.
    ready: updated.filter(isPodReady).length,
    hasSeenSpec:
      live !== undefined &&
      (live.status?.observedGeneration ?? 0) >= (live.metadata.generation ?? 0),
    progressDeadlineExceeded: deadline?.reason === 'ProgressDeadlineExceeded',
    unschedulable: staying.map(unschedulableWords).find((words) => words !== undefined),
    trouble: staying.map(troubleWords).find((words) => words !== undefined),
  }
}

function unschedulableWords(pod: PodObject): string | undefined {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
  return scheduled?.status === 'False'
    ? `Pod ${pod.metadata.name} has no node: ${scheduled.message ?? scheduled.reason ?? ''}`
    : undefined
}

const startingReasons: ReadonlySet<string> = new Set(['PodInitializing', 'ContainerCreating'])

function troubleWords({ metadata, status }: PodObject): string | undefined {
  const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  for (const { name, state, restartCount = 0 } of statuses) {
    const reason = state?.waiting?.reason
    if (reason !== undefined && !startingReasons.has(reason)) {
      const words = state?.waiting?.message ?? ''
      return `Container ${name} of pod ${metadata.name}: ${reason} after ${restartCount} restarts. ${words}`.trim()
    }
  }
  return undefined
}
