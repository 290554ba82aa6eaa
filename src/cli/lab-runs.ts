import { labCosts } from '../sim/lab/lab-engine.ts'
import type { LabObserver } from '../sim/lab/lab-observer.ts'
import { recordOf, type LabRecord } from '../sim/lab/lab-record.ts'
import type { LabReplica } from '../sim/lab/lab-replica.ts'
import type { Objective } from '../sim/lab/outcome.ts'
import { policyNamed } from '../sim/lab/policy-names.ts'
import type { RoutePolicy } from '../sim/lab/policy.ts'
import { runLab } from '../sim/lab/run-lab.ts'
import { scaledTape } from '../sim/lab/scaled-tape.ts'
import type { Tape } from '../sim/lab/tape.ts'
import { Timeline } from '../sim/lab/timeline.ts'
import type { ModelOptions } from '../sim/model-types.ts'

export interface LabRunsOptions {
  readonly tape: Tape
  readonly policies: readonly string[]
  /** Times the tape's own. */
  readonly loads: readonly number[]
  readonly replicas: number
  readonly engine: ModelOptions
  readonly objective: Objective
  readonly warmUpMs: number
  readonly seed: number
  /** Words on how far it is. */
  readonly progress: (text: string) => void
}

const progressEveryMs = 5000

/** Every rule at every load, one after the other, each with a fresh rule. */
export function labRuns(options: LabRunsOptions): readonly LabRecord[] {
  return options.loads.flatMap((load) => {
    const tape = scaledTape(options.tape, load)
    return freshPolicies(options).map((policy) => oneRun(policy, load, tape, options))
  })
}

export function freshPolicies({
  policies,
  engine,
  objective,
}: Pick<LabRunsOptions, 'policies' | 'engine' | 'objective'>): readonly RoutePolicy[] {
  const context = { costs: labCosts(engine), objective, kvTokens: engine.kvTokens }
  return policies.flatMap((name) => policyNamed(name, context) ?? [])
}

function oneRun(policy: RoutePolicy, load: number, tape: Tape, options: LabRunsOptions): LabRecord {
  const { replicas, engine, objective, warmUpMs, seed } = options
  const startMs = performance.now()
  const words = `${policy.name} at ${load} ×`
  const timeline = new Timeline()
  const observer = withProgress(timeline, tape, (part) =>
    options.progress(`${words}: ${Math.floor(part * 100)} %\n`),
  )
  const run = runLab({ tape, policy, replicas, engine, seed, observer })
  const seconds = (performance.now() - startMs) / 1000
  options.progress(`${words}: ${tape.length} requests in ${seconds.toFixed(1)} s\n`)
  return recordOf(run, { load, objective, warmUpMs, timeline: timeline.points })
}

/** Tells every few seconds of the reader's time which part of the tape is past. */
function withProgress(inner: LabObserver, tape: Tape, tell: (part: number) => void): LabObserver {
  const lastMs = tape.at(-1)?.atMs ?? 0
  let toldMs = performance.now()
  return {
    observe(nowMs: number, replicas: readonly LabReplica[], waitingAtGateway: number): void {
      inner.observe(nowMs, replicas, waitingAtGateway)
      if (performance.now() - toldMs > progressEveryMs) {
        toldMs = performance.now()
        tell(Math.min(1, nowMs / Math.max(1, lastMs)))
      }
    },
  }
}
