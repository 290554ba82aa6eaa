import type { Verdict } from './statuses.ts'
import type { JsonMap } from './workload-input.ts'

/** When a newer image of ours reaches pods that run: with the pool's next revision, or at once. */
export type AgentRollout = 'WithPool' | 'Now'

/** On the Deployment: the pod template that we applied last, as JSON. */
export const templateAnnotation = 'loraplex.dev/pod-template'
/** On the Deployment: revisions whose Secrets may be there, the newest last. */
export const revisionsAnnotation = 'loraplex.dev/pool-revisions'

export interface LiveDeployment {
  readonly poolRevision: string | undefined
  readonly appliedTemplate: string | undefined
}

/**
 * The template to apply. While the pool's revision stays, what was applied stays too, to the letter: a newer version of
 * this program, which writes templates another way or has another agent, does not restart GPUs by itself.
 */
export function chooseTemplate(
  planned: JsonMap,
  poolRevision: string,
  live: LiveDeployment | undefined,
  agentRollout: AgentRollout,
): JsonMap {
  if (
    agentRollout === 'Now' ||
    live?.appliedTemplate === undefined ||
    live.poolRevision !== poolRevision
  ) {
    return planned
  }
  return parseTemplate(live.appliedTemplate) ?? planned
}

/** Somebody may have written into the annotation: then it is planned anew. */
function parseTemplate(text: string): JsonMap | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null && 'spec' in parsed
      ? (parsed as JsonMap)
      : undefined
  } catch {
    return undefined
  }
}

/** Revisions that still have pods, and the present one: their Secrets stay. The rest may go. */
export function planRevisions(
  present: string,
  noted: readonly string[],
  ofPods: ReadonlySet<string>,
): { readonly keep: readonly string[]; readonly drop: readonly string[] } {
  const old = noted.filter((revision) => revision !== present)
  return {
    keep: [...old.filter((revision) => ofPods.has(revision)), present],
    drop: old.filter((revision) => !ofPods.has(revision)),
  }
}

export interface RolloutView {
  readonly desired: number
  readonly replicas: number
  readonly updated: number
  readonly ready: number
  readonly hasSeenSpec: boolean
  readonly progressDeadlineExceeded: boolean
  /** Words of the scheduler about a pod that has no node. */
  readonly unschedulable: string | undefined
  /** Words of the kubelet about a container that does not start. */
  readonly trouble: string | undefined
  readonly foreignReplicas: number | undefined
  readonly agentRollout: AgentRollout
}

/** Conditions that are there only while they are true. */
export function judgeRollout(view: RolloutView): readonly Verdict[] {
  const verdicts: Verdict[] = []
  const is = (type: string, reason: string, message: string): void => {
    verdicts.push({ type, status: 'True', reason, message })
  }
  const isRolling = !view.hasSeenSpec || view.updated < Math.min(view.desired, view.replicas)
  if (view.progressDeadlineExceeded) {
    const why = view.trouble ?? view.unschedulable ?? 'No new replica became ready in time.'
    is('Stalled', 'ProgressDeadlineExceeded', why)
  } else if (isRolling && view.unschedulable !== undefined) {
    is('Reconciling', 'NoCapacityForSurge', view.unschedulable)
  } else if (isRolling) {
    const words = `${view.updated} of ${view.desired} replicas have the pods of the present spec.`
    is('Reconciling', 'RollingOut', view.trouble === undefined ? words : `${words} ${view.trouble}`)
  } else if (view.ready < view.desired) {
    const words = `${view.ready} of ${view.desired} replicas are ready.`
    is('Reconciling', 'Scaling', `${words} ${view.unschedulable ?? view.trouble ?? ''}`.trim())
  }
  if (view.foreignReplicas !== undefined) {
    is(
      'TwoScalers',
      'ForeignReplicas',
      `Somebody else set the Deployment's replicas to ${view.foreignReplicas}; it was set back. Scale the ModelPool instead: spec.replicas, its /scale, or spec.scaling.`,
    )
  }
  return verdicts
}
