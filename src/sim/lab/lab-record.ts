import { outcomeOf, type Objective, type Outcome } from './outcome.ts'
import type { LabRun } from './run-lab.ts'
import type { TimelinePoint } from './timeline.ts'
import { windowsOf, type WindowFigures } from './window-figures.ts'

/** What is kept of a run: a run itself holds every request. */
export interface LabRecord {
  /** Times the tape's own rate. */
  readonly load: number
  readonly outcome: Outcome
  readonly timeline: readonly TimelinePoint[]
  readonly windows: readonly WindowFigures[]
}

export interface RecordOptions {
  readonly load: number
  readonly objective: Objective
  readonly warmUpMs: number
  readonly timeline: readonly TimelinePoint[]
}

export function recordOf(run: LabRun, options: RecordOptions): LabRecord {
  const { load, objective, warmUpMs, timeline } = options
  return {
    load,
    outcome: outcomeOf(run, objective, warmUpMs),
    timeline,
    windows: windowsOf(run.requests, objective),
  }
}
