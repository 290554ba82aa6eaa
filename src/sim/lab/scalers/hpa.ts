import type { ScalePolicy, ScaleView } from '../scale-policy.ts'

/** At most so many pods more (or fewer), or so large a part, whatever is more, within a period. */
export interface HpaPace {
  readonly pods: number
  readonly part: number
  readonly periodMs: number
}

export interface HpaOptions {
  readonly name: string
  readonly source: string
  /** Sums over the pool, each with the average a pod that is aimed at; the largest answer counts. */
  readonly metrics: readonly { readonly of: (view: ScaleView) => number; readonly target: number }[]
  readonly everyMs?: number
  readonly minReplicas?: number
  readonly up?: HpaPace
  readonly down?: HpaPace
  readonly downWindowMs?: number
}

/** Kubernetes: `--horizontal-pod-autoscaler-tolerance`. */
const tolerance = 0.1
/** Kubernetes: four pods or as many again in 15 s; all at once on the way down. */
const upPreset: HpaPace = { pods: 4, part: 1, periodMs: 15_000 }
const downPreset: HpaPace = { pods: 0, part: 1, periodMs: 15_000 }

interface Sized {
  readonly atMs: number
  readonly count: number
}

/**
 * The HorizontalPodAutoscaler (kubernetes/pkg/controller/podautoscaler): ceil(sum / target average value), nothing
 * within the tolerance, the greatest of the window's answers on the way down (300 s), and a pace either way.
 */
export function hpa(options: HpaOptions): ScalePolicy {
  const { metrics, up = upPreset, down = downPreset, downWindowMs = 300_000 } = options
  let answers: Sized[] = []
  let past: Sized[] = []
  return {
    name: options.name,
    source: options.source,
    everyMs: options.everyMs ?? 15_000,
    decide(view) {
      const { nowMs, ordered } = view
      const asked = Math.max(...metrics.map(({ of, target }) => answerOf(of(view), target, view)))
      const wanted = Math.max(options.minReplicas ?? 1, asked)
      answers = [
        ...answers.filter(({ atMs }) => atMs > nowMs - downWindowMs),
        { atMs: nowMs, count: wanted },
      ]
      const steady = Math.max(...answers.map(({ count }) => count))
      const goal = wanted > ordered ? wanted : Math.min(ordered, steady)
      const desired = paced(goal, ordered, past, nowMs, goal > ordered ? up : down)
      const longestMs = Math.max(up.periodMs, down.periodMs)
      past = [
        ...past.filter(({ atMs }) => atMs > nowMs - longestMs),
        { atMs: nowMs, count: ordered },
      ]
      return desired
    },
  }
}

function answerOf(sum: number, target: number, { ordered }: ScaleView): number {
  const ratio = sum / (target * Math.max(1, ordered))
  return Math.abs(ratio - 1) <= tolerance ? ordered : Math.ceil(sum / target)
}

/** The pace counts from the number at the start of its period. */
function paced(
  goal: number,
  ordered: number,
  past: readonly Sized[],
  nowMs: number,
  pace: HpaPace,
): number {
  const within = past.filter(({ atMs }) => atMs > nowMs - pace.periodMs)
  const from = within[0]?.count ?? ordered
  const step = Math.max(pace.pods, Math.ceil(pace.part * from))
  return goal > ordered ? Math.min(goal, from + step) : Math.max(goal, from - step, 0)
}
