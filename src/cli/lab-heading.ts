import { usualQueue } from '../sim/lab/queue-names.ts'
import { usualScaler } from '../sim/lab/scaler-names.ts'
import type { LabOptionValues } from './lab-options.ts'
import { boundsOf, type LabRules } from './lab-rule-options.ts'
import type { NamedTape } from './lab-tape.ts'
import { countText } from './table.ts'
import { tapeShape } from './tape-shape.ts'

export interface LabHeading {
  readonly title: string
  /** What was run, a line each. */
  readonly words: readonly string[]
}

/** Over a report: all that its figures do not say. */
export function labHeading(
  named: NamedTape,
  options: LabOptionValues,
  rules: LabRules,
): LabHeading {
  return { title: `${titleOf(rules)} on ${named.name}`, words: wordsOf(named, options, rules) }
}

/** What is compared. */
function titleOf({ policies, queues, scalers }: LabRules): string {
  const kinds = [
    ...(policies.length > 1 ? ['routing rules'] : []),
    ...(queues.length > 1 ? ['queues'] : []),
    ...(scalers.length > 1 ? ['scaling rules'] : []),
  ]
  const text = kinds.length === 0 ? 'routing rules' : kinds.join(', ')
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`
}

function wordsOf(named: NamedTape, options: LabOptionValues, rules: LabRules): readonly string[] {
  const { requests, seconds, adapters, tenants } = tapeShape(named)
  const rate = requests / Math.max(1, seconds)
  return [
    `Tape: ${requests.toLocaleString('en-US')} requests in ${seconds.toFixed(0)} s (${rate.toFixed(1)} a second), ${countText(adapters, 'adapter')}, ${countText(tenants, 'tenant')}; seed ${options.seed}.`,
    `Fleet: ${countText(options.replicas, 'replica')} of ${options.profile}, ${options['max-loras']} slots of rank ${options['max-lora-rank']} each.`,
    `Objective: first token within ${options['slo-ttft-ms']} ms and ${options['slo-tpot-ms']} ms between tokens. Simulated in virtual time.`,
    ...sharedWords(options, rules),
  ]
}

/** What all runs have in common and readers could not guess. */
function sharedWords(options: LabOptionValues, rules: LabRules): readonly string[] {
  const [policy, queue, scaler] = [rules.policies, rules.queues, rules.scalers].map((names) =>
    names.length === 1 ? names[0] : undefined,
  )
  const { coldStartMs, minReplicas, maxReplicas } = boundsOf(options, options.replicas, rules)
  const shared = [
    ...(policy === undefined ? [] : [`routing ${policy}`]),
    ...(queue === undefined || queue === usualQueue ? [] : [`queue ${queue}`]),
    ...(scaler === undefined || scaler === usualScaler ? [] : [`scaler ${scaler}`]),
  ]
  const isScaled = rules.scalers.some((name) => name !== usualScaler)
  const scaled = isScaled
    ? [`Replicas: ${minReplicas} to ${maxReplicas}; a cold start takes ${coldStartMs / 1000} s.`]
    : []
  return [...(shared.length === 0 ? [] : [`All with ${shared.join(', ')}.`]), ...scaled]
}
