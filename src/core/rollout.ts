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

interface Progress {
  readonly reason: string
  readonly message: string
  /** `Waits`: replicas are still to come, for which tools wait. `Fails`: they are not coming. */
  readonly state: 'Rests' | 'Moves' | 'Waits' | 'Fails'
}

/** `Progressing`, in the words of people; `Reconciling` and `Stalled`, only while true, for tools that wait. */
export function judgeRollout(view: RolloutView): readonly Verdict[] {
  const { reason, message, state } = progressOf(view)
  const verdict = (type: string, status: Verdict['status'] = 'True'): Verdict => ({
    type,
    status,
    reason,
    message,
  })
  return [
    verdict('Progressing', state === 'Moves' || state === 'Waits' ? 'True' : 'False'),
    ...(state === 'Waits' ? [verdict('Reconciling')] : []),
    ...(state === 'Fails' ? [verdict('Stalled')] : []),
    ...(view.foreignReplicas === undefined ? [] : [twoScalers(view.foreignReplicas)]),
  ]
}

function progressOf(view: RolloutView): Progress {
  const { desired, replicas, updated, ready, unschedulable, trouble } = view
  if (view.progressDeadlineExceeded) {
    const message = trouble ?? unschedulable ?? 'No new replica became ready in time.'
    return { reason: 'ProgressDeadlineExceeded', message, state: 'Fails' }
  }
  if (!view.hasSeenSpec || updated < Math.min(desired, replicas)) {
    const words = `${updated} of ${desired} replicas have the pods of the present spec.`
    return unschedulable === undefined
      ? { reason: 'RollingOut', message: joined(words, trouble), state: 'Waits' }
      : { reason: 'NoCapacityForSurge', message: unschedulable, state: 'Waits' }
  }
  if (ready < desired) {
    const words = `${ready} of ${desired} replicas are ready.`
    return unschedulable === undefined
      ? { reason: 'ScalingUp', message: joined(words, trouble), state: 'Waits' }
      : { reason: 'NoCapacity', message: joined(words, unschedulable), state: 'Waits' }
  }
  return replicas > desired
    ? {
        reason: 'ScalingDown',
        message: `From ${replicas} replicas to ${desired}, one by one.`,
        state: 'Moves',
      }
    : { reason: 'Stable', message: '', state: 'Rests' }
}

function joined(words: string, more: string | undefined): string {
  return more === undefined ? words : `${words} ${more}`
}

function twoScalers(replicas: number): Verdict {
  return {
    type: 'TwoScalers',
    status: 'True',
    reason: 'ForeignWriter',
    message: `Somebody else set the Deployment's replicas to ${replicas}; they were set back. Scale the ModelPool instead: spec.replicas, its /scale, or spec.scaling.`,
  }
}
