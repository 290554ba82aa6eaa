/** A replica pod as the scale-down sees it: from the API server, and from its agent's stream. */
export interface PodView {
  readonly name: string
  readonly isTerminating: boolean
  /** In the API server's eyes. */
  readonly isReady: boolean
  readonly poolRevision: string
  readonly createdMs: number
  /** When it was chosen to go; on the pod itself, so that the next controller knows (I12). */
  readonly markedAtMs: number | undefined
  /** Its agent says that it drains. */
  readonly isDraining: boolean
  readonly inFlight: number
  /** Revisions that are routable here and nowhere else, of those that are promised or asked for. */
  readonly soleCopies: number
  /** What is asked of those, in requests a second. */
  readonly soleLoad: number
}

export interface ScaleDownInput {
  readonly desired: number
  readonly deployment: {
    readonly replicas: number
    readonly poolRevision: string
    /** The cluster has seen the newest spec and has as many pods as it says. */
    readonly isSettled: boolean
  }
  readonly pods: readonly PodView[]
  readonly nowMs: number
}

export type ScaleDownAction =
  | { readonly action: 'Nothing' }
  /** Choose it: the mark and the lowest deletion cost, in one write. */
  | { readonly action: 'Mark'; readonly pod: string }
  | { readonly action: 'Drain'; readonly pod: string }
  /** To one replica fewer, on the resource version that this was decided on. */
  | { readonly action: 'Shrink'; readonly to: number }
  /** It stays after all: another one went, or more are wanted again. */
  | { readonly action: 'Undo'; readonly pod: string }
  | { readonly action: 'Wait'; readonly words: string; readonly untilMs?: number }

/** How long a chosen replica stays in service until others hold what only it has. */
export const rehomeMs = 30_000

/**
 * The next step from more replicas to fewer, read from the cluster alone. Which pod goes is the ReplicaSet's choice: it
 * takes one that is not ready and has the lowest cost, and by now that is ours. Should it take another one, its preStop
 * hook drains it, and ours comes back into service: no stream is cut either way (I4).
 */
export function planScaleDown(input: ScaleDownInput): ScaleDownAction {
  const { desired, deployment, nowMs } = input
  const pods = input.pods.filter((pod) => !pod.isTerminating)
  const marked = pods.filter((pod) => pod.markedAtMs !== undefined)
  const isRollingOut = pods.some((pod) => pod.poolRevision !== deployment.poolRevision)
  const [first, ...more] = marked
  if (!deployment.isSettled) {
    return waiting('The cluster has not caught up with the newest number of replicas.')
  }
  if (first !== undefined && (desired >= deployment.replicas || isRollingOut)) {
    return { action: 'Undo', pod: first.name }
  }
  if (more[0] !== undefined) {
    return { action: 'Undo', pod: more[0].name }
  }
  if (desired >= deployment.replicas) {
    return { action: 'Nothing' }
  }
  if (isRollingOut) {
    return waiting('A rollout comes first.')
  }
  return first === undefined ? choose(pods) : advance(first, pods, input, nowMs)
}

/** A copy elsewhere has to be there before the leaving one goes, and requests come for it meanwhile: so many seconds' worth. */
const rehomeSeconds = rehomeMs / 1000

/**
 * Requests that are disturbed when it goes: those in flight, which a drain waits for, those that come for adapters that only
 * it has while others load them, and one for each such load, for which all streams of another replica stand still.
 */
function disturbanceOf({ inFlight, soleCopies, soleLoad }: PodView): number {
  return inFlight + soleCopies + soleLoad * rehomeSeconds
}

/** Those that serve nothing first, then those whose going disturbs least, then the youngest. */
function choose(pods: readonly PodView[]): ScaleDownAction {
  const [victim] = pods.toSorted(
    (left, right) =>
      Number(left.isReady) - Number(right.isReady) ||
      disturbanceOf(left) - disturbanceOf(right) ||
      left.soleCopies - right.soleCopies ||
      right.createdMs - left.createdMs ||
      (left.name < right.name ? -1 : 1),
  )
  if (victim === undefined) {
    return waiting('There is no pod yet.')
  }
  return { action: 'Mark', pod: victim.name }
}

function advance(
  victim: PodView,
  pods: readonly PodView[],
  { deployment }: ScaleDownInput,
  nowMs: number,
): ScaleDownAction {
  const others = pods.filter((pod) => pod !== victim)
  const sinceMs = nowMs - (victim.markedAtMs ?? nowMs)
  if (!victim.isReady && !victim.isDraining && victim.inFlight === 0) {
    // It serves nobody, and may never have had an agent that could be told.
    return shrink(deployment.replicas)
  }
  if (!victim.isDraining) {
    return victim.soleCopies > 0 && others.length > 0 && sinceMs < rehomeMs
      ? {
          action: 'Wait',
          words: 'Others load what only the leaving replica has.',
          untilMs: nowMs - sinceMs + rehomeMs,
        }
      : { action: 'Drain', pod: victim.name }
  }
  if (victim.isReady) {
    return waiting('The leaving replica is still ready in the eyes of the API server.')
  }
  const busy = others.find((pod) => !pod.isReady && pod.inFlight > 0)
  return busy === undefined
    ? shrink(deployment.replicas)
    : waiting(`${busy.name} is not ready either and has requests in flight: it might go instead.`)
}

function shrink(replicas: number): ScaleDownAction {
  return { action: 'Shrink', to: replicas - 1 }
}

function waiting(words: string): ScaleDownAction {
  return { action: 'Wait', words }
}
