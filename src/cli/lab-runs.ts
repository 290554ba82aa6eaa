import { UserError } from '../errors.ts'
import { labCosts } from '../sim/lab/lab-engine.ts'
import type { LabObserver } from '../sim/lab/lab-observer.ts'
import { recordOf, type LabRecord, type RunRules } from '../sim/lab/lab-record.ts'
import type { LabReplica } from '../sim/lab/lab-replica.ts'
import type { Objective } from '../sim/lab/outcome.ts'
import { policyNamed } from '../sim/lab/policy-names.ts'
import { queueNamed, type NamedQueue } from '../sim/lab/queue-names.ts'
import { runLab } from '../sim/lab/run-lab.ts'
import type { ScalePolicy } from '../sim/lab/scale-policy.ts'
import { scaledTape } from '../sim/lab/scaled-tape.ts'
import { scalerNamed, usualScaler } from '../sim/lab/scaler-names.ts'
import { scalingTerms, type ScalingBounds, type ScalingTerms } from '../sim/lab/scaling-terms.ts'
import type { Tape } from '../sim/lab/tape.ts'
import { Timeline } from '../sim/lab/timeline.ts'
import type { ModelOptions } from '../sim/model-types.ts'
import type { LabRules } from './lab-rule-options.ts'

export interface LabRunsOptions {
  readonly tape: Tape
  readonly rules: LabRules
  /** Times the tape's own. */
  readonly loads: readonly number[]
  readonly replicas: number
  readonly bounds: ScalingBounds
  readonly requestsPerMinute: number
  /** Absent: learned, or none. */
  readonly maxInFlight: number | undefined
  readonly engine: ModelOptions
  readonly objective: Objective
  readonly warmUpMs: number
  /** Unevenness between tenants takes a while to measure where there are many. */
  readonly withGap: boolean
  readonly seed: number
  /** Words on how far it is. */
  readonly progress: (text: string) => void
}

const progressEveryMs = 5000

/** A tape at one load, and what scaling is measured by there. */
interface Play {
  readonly load: number
  readonly tape: Tape
  readonly terms: ScalingTerms
}

/** Every combination of rules at every load, one after the other, each with fresh rules. */
export function labRuns(options: LabRunsOptions): readonly LabRecord[] {
  const { engine, objective, replicas, bounds, rules } = options
  const { maxNumSeqs } = engine
  const costs = labCosts(engine)
  return options.loads.flatMap((load) => {
    const tape = scaledTape(options.tape, load)
    const terms = scalingTerms({ tape, costs, objective, replicas, maxNumSeqs, ...bounds })
    return combinationsOf(rules).map((each) => oneRun(each, { load, tape, terms }, options))
  })
}

function combinationsOf({ policies, queues, scalers }: LabRules): readonly RunRules[] {
  return policies.flatMap((policy) =>
    queues.flatMap((queue) => scalers.map((scaler) => ({ policy, queue, scaler }))),
  )
}

function oneRun(rules: RunRules, { load, tape, terms }: Play, options: LabRunsOptions): LabRecord {
  const { replicas, engine, objective, warmUpMs, seed, withGap, bounds } = options
  const startMs = performance.now()
  const name = nameOf(rules, options.rules)
  const words = `${name} at ${load} ×`
  const timeline = new Timeline()
  const observer = withProgress(timeline, tape, (part) =>
    options.progress(`${words}: ${Math.floor(part * 100)} %\n`),
  )
  const { queue, policy } = freshQueue(rules, options)
  const scaler = rules.scaler === usualScaler ? undefined : freshScaler(rules.scaler, terms)
  const run = runLab({
    tape,
    policy,
    queue,
    replicas,
    engine,
    seed,
    observer,
    ...(scaler === undefined ? {} : { scaling: { policy: scaler, ...bounds } }),
  })
  const seconds = (performance.now() - startMs) / 1000
  options.progress(`${words}: ${tape.length} requests in ${seconds.toFixed(1)} s\n`)
  const { refused } = queue
  const { measure } = terms
  const { points } = timeline
  return recordOf(run, {
    rules,
    name,
    load,
    objective,
    warmUpMs,
    timeline: points,
    refused,
    withGap,
    measure,
  })
}

/** What it has that others have not; its routing rule if that is nothing. */
function nameOf({ policy, queue, scaler }: RunRules, all: LabRules): string {
  const parts = [
    ...(all.policies.length > 1 ? [policy] : []),
    ...(all.queues.length > 1 ? [queue] : []),
    ...(all.scalers.length > 1 ? [scaler] : []),
  ]
  return parts.length === 0 ? policy : parts.join(', ')
}

function freshQueue(rules: RunRules, options: LabRunsOptions): NamedQueue {
  const { engine, objective, requestsPerMinute, maxInFlight: limit } = options
  const costs = labCosts(engine)
  const { kvTokens } = engine
  const policy = known(policyNamed(rules.policy, { costs, objective, kvTokens }))
  const promptTokenMs = costs.perPromptTokenMs
  return known(queueNamed(rules.queue, { policy, promptTokenMs, requestsPerMinute, limit }))
}

function freshScaler(name: string, { context }: ScalingTerms): ScalePolicy {
  return known(scalerNamed(name, context))
}

/** Names were looked at when the flags were read. */
function known<Rule>(rule: Rule | undefined): Rule {
  if (rule === undefined) {
    throw new UserError('A rule is not known; loraplex lab --list shows what there is.', 2)
  }
  return rule
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
