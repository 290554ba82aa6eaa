import type { RoutePolicy } from '../sim/lab/policy.ts'
import { workloads } from '../sim/lab/workloads/workload-names.ts'
import type { Workload } from '../sim/lab/workloads/workload.ts'

/** Rules and workloads, each with where it comes from. */
export function labList(policies: readonly RoutePolicy[]): string {
  return [
    'Routing rules (--policy):',
    ...policies.map(({ name, source }) => `  ${name}\n      ${source}`),
    '',
    'Workloads (--workload):',
    ...workloads.map(workloadText),
    '',
  ].join('\n')
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
