import type { LabRequest } from './lab-request.ts'
import { outcomeOf, type Objective, type Outcome } from './outcome.ts'
import { equalWeights } from './queues/tenant-order.ts'
import { usualQueue } from './queue-names.ts'
import type { LabRun } from './run-lab.ts'
import type { ScaleMoment } from './scale-clock.ts'
import { usualScaler } from './scaler-names.ts'
import { scalingOutcome, type ScalingMeasure, type ScalingOutcome } from './scaling-outcome.ts'
import { serviceGap, type ServiceGap } from './service-gap.ts'
import type { TimelinePoint } from './timeline.ts'
import { windowsOf, type WindowFigures } from './window-figures.ts'

/** The rules of a run, by the names they were asked for. */
export interface RunRules {
  readonly policy: string
  readonly queue: string
  readonly scaler: string
}

/** What is kept of a run: a run itself holds every request. */
export interface LabRecord {
  readonly rules: RunRules
  /** What it has that others have not. */
  readonly name: string
  /** Times the tape's own rate. */
  readonly load: number
  readonly outcome: Outcome
  /** Turned away by the queue, of those that count. */
  readonly refused: number
  /** Between tenants; undefined: not asked for, or less than a minute to look at. */
  readonly gap: ServiceGap | undefined
  /** What replicas cost and gave; undefined: not asked for. */
  readonly scaling: ScalingOutcome | undefined
  /** Every decision of the scaling rule. */
  readonly moments: readonly ScaleMoment[]
  readonly timeline: readonly TimelinePoint[]
  readonly windows: readonly WindowFigures[]
}

export interface RecordOptions {
  readonly load: number
  readonly objective: Objective
  readonly warmUpMs: number
  readonly timeline: readonly TimelinePoint[]
  /** Absent: the run's routing rule with the usual others. */
  readonly rules?: RunRules
  /** Absent: the routing rule. */
  readonly name?: string
  readonly refused?: ReadonlySet<LabRequest> | undefined
  readonly withGap?: boolean
  readonly measure?: ScalingMeasure
}

export function recordOf(run: LabRun, options: RecordOptions): LabRecord {
  const { load, objective, warmUpMs, timeline, refused, measure } = options
  const counted = run.requests.filter(({ arrivedMs }) => arrivedMs >= warmUpMs)
  return {
    rules: options.rules ?? { policy: run.policy, queue: usualQueue, scaler: usualScaler },
    name: options.name ?? run.policy,
    load,
    outcome: outcomeOf(run, objective, warmUpMs),
    refused: counted.filter((request) => refused?.has(request) === true).length,
    gap: options.withGap === true ? gapOf(run, options) : undefined,
    scaling: measure === undefined ? undefined : scalingOutcome(run, measure),
    moments: run.scaling,
    timeline,
    windows: windowsOf(run.requests, objective),
  }
}

/** All tenants alike. Windows are a minute long: of less there is nothing to say. */
function gapOf({ requests }: LabRun, options: RecordOptions): ServiceGap | undefined {
  const { warmUpMs: fromMs, refused } = options
  const toMs = requests.at(-1)?.arrivedMs ?? 0
  return toMs - fromMs < 60_000
    ? undefined
    : serviceGap(requests, { fromMs, toMs, weightOf: equalWeights, refused })
}
