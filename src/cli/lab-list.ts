import { workloads } from '../sim/lab/workloads/workload-names.ts'
import type { Workload } from '../sim/lab/workloads/workload.ts'

/** A rule, by the name it is asked for. */
interface ListedRule {
  readonly name: string
  /** Where it comes from. */
  readonly source: string
}

export interface ListedRules {
  readonly policies: readonly ListedRule[]
  readonly queues: readonly ListedRule[]
  readonly scalers: readonly ListedRule[]
}

/** Rules and workloads, each with where it comes from. */
export function labList({ policies, queues, scalers }: ListedRules): string {
  return [
    'Routing rules (--policy):',
    ...policies.map(ruleText),
    '',
    'Queues of the gateway (--queue):',
    ...queues.map(ruleText),
    '',
    'Scaling rules (--scaler):',
    ...scalers.map(ruleText),
    '',
    'Workloads (--workload):',
    ...workloads.map(workloadText),
    '',
  ].join('\n')
}

function ruleText({ name, source }: ListedRule): string {
  return `  ${name}\n      ${source}`
}

function workloadText(workload: Workload): string {
  const knobs = Object.entries(workload.knobs).map(([name, value]) =>
    value === 'recorded' ? `--${name} (as recorded)` : `--${name} ${value}`,
  )
  const files = workload.files.map(({ names }) => names.join(' or '))
  return [
    `  ${workload.name}: ${workload.summary}`,
    `      ${workload.source}`,
    `      ${knobs.join(' ')}`,
    ...(files.length === 0 ? [] : [`      --data with ${files.join(' and ')}`]),
  ].join('\n')
}
