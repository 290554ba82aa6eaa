import type { LabRequest } from './lab-request.ts'
import type { Objective } from './outcome.ts'
import type { LabRun } from './run-lab.ts'
import type { ScaleMoment } from './scale-clock.ts'

export interface ScalingMeasure {
  readonly objective: Objective
  /** Replicas needed in each window, not rounded. */
  readonly need: Float64Array
  readonly windowMs: number
  /** Windows in which an arrival has to wait whatever is done: `unavoidableWait`. */
  readonly waits: Uint8Array
  readonly clairvoyantMs: number
  /** When the load jumps. */
  readonly jumpMs?: number
}

/** What a scaling rule cost and gave. */
export interface ScalingOutcome {
  readonly gpuHours: number
  /** GPU time, relative to the clairvoyant's. */
  readonly ratio: number
  /** Part that met the objective among those that need not have waited. */
  readonly attainment: number
  /** Among all. */
  readonly attainmentOfAll: number
  /** Part of all that arrived in an unavoidable wait. */
  readonly leftOut: number
  /** Never ended. */
  readonly lost: number
  /** From the jump to a decision of no fewer than needed after it; undefined: never, or no jump. */
  readonly decidedMs: number | undefined
  /** Most ever decided on after the jump, relative to most needed. */
  readonly overshoot: number | undefined
  /** Changes of direction of what was decided. */
  readonly turns: number
  readonly diskReads: number
}

const msPerHour = 3_600_000
/** After a jump: what is needed then, and how far a decision goes beyond it. */
const settledMs = 300_000

export function scalingOutcome(run: LabRun, measure: ScalingMeasure): ScalingOutcome {
  const { objective, waits, windowMs } = measure
  const isGood = ({ ttftMs, tpotMs }: LabRequest): boolean =>
    ttftMs <= objective.ttftMs && tpotMs <= objective.tpotMs
  const free = run.requests.filter(({ arrivedMs }) => waits[Math.floor(arrivedMs / windowMs)] !== 1)
  const all = Math.max(1, run.requests.length)
  return {
    gpuHours: run.gpuMs / msPerHour,
    ratio: run.gpuMs / measure.clairvoyantMs,
    attainment: free.filter(isGood).length / Math.max(1, free.length),
    attainmentOfAll: run.requests.filter(isGood).length / all,
    leftOut: 1 - free.length / all,
    lost: run.requests.filter(({ endMs }) => Number.isNaN(endMs)).length,
    ...jumpOf(run.scaling, measure),
    turns: turnsOf(run.scaling),
    diskReads: run.diskReads,
  }
}

function jumpOf(
  moments: readonly ScaleMoment[],
  { jumpMs, need, windowMs }: ScalingMeasure,
): Pick<ScalingOutcome, 'decidedMs' | 'overshoot'> {
  if (jumpMs === undefined) {
    return { decidedMs: undefined, overshoot: undefined }
  }
  const index = Math.ceil(jumpMs / windowMs)
  const after = need.slice(index, index + Math.round(settledMs / windowMs)).sort()
  const needed = Math.ceil(after[after.length >> 1] ?? 0)
  const most = Math.ceil(after.at(-1) ?? 0)
  const later = moments.filter(({ atMs }) => atMs >= jumpMs)
  const decided = later.find(({ desired }) => desired >= needed)
  return {
    decidedMs: decided === undefined ? undefined : decided.atMs - jumpMs,
    overshoot: later.reduce((max, { desired }) => Math.max(max, desired), 0) / most,
  }
}

function turnsOf(moments: readonly ScaleMoment[]): number {
  let [turns, direction] = [0, 0]
  for (const [index, { desired }] of moments.slice(1).entries()) {
    const step = Math.sign(desired - (moments[index]?.desired ?? desired))
    if (step !== 0) {
      turns += direction !== 0 && step !== direction ? 1 : 0
      direction = step
    }
  }
  return turns
}
