import { UserError } from '../errors.ts'
import { ablationNames, policyNames } from '../sim/lab/policy-names.ts'
import { queueNames, usualQueue } from '../sim/lab/queue-names.ts'
import { scalerNames, usualScaler } from '../sim/lab/scaler-names.ts'
import type { ScalingBounds } from '../sim/lab/scaling-terms.ts'
import type { OptionValues } from './command.ts'

/** Which rules are compared, and what they are told. */
export const labRuleOptions = {
  policy: {
    type: 'string',
    short: 'p',
    summary:
      'Routing rules by name, comma-separated, all, or ablations: loraplex without each of its parts',
    default: 'loraplex,least-requests,llm-d-lora-4',
  },
  queue: {
    type: 'string',
    summary: 'Queues of the gateway by name, comma-separated, or all',
    default: usualQueue,
  },
  scaler: {
    type: 'string',
    summary: 'Scaling rules by name, comma-separated, or all',
    default: usualScaler,
  },
  'max-in-flight': {
    type: 'integer',
    summary:
      'Requests that the gateway leaves at one replica; default: no bound for lines, learned for other queues',
    minimum: 1,
    maximum: 100_000,
  },
  'requests-per-minute': {
    type: 'integer',
    summary: 'Of the queue rpm: that a tenant may send',
    minimum: 1,
    maximum: 1_000_000,
    default: 60,
  },
  'cold-start-seconds': {
    type: 'integer',
    summary: 'With a scaler: until a new engine answers; adapters are loaded after it',
    minimum: 0,
    maximum: 86_400,
    default: 60,
  },
  'min-replicas': {
    type: 'integer',
    summary: 'With a scaler: fewest engines',
    minimum: 0,
    maximum: 1000,
    default: 1,
  },
  'max-replicas': {
    type: 'integer',
    summary: 'With a scaler: most engines; default: three times --replicas',
    minimum: 1,
    maximum: 1000,
  },
} as const

type RuleOptionValues = OptionValues<typeof labRuleOptions>

/** What is played: every one of each kind with every one of the others. */
export interface LabRules {
  readonly policies: readonly string[]
  readonly queues: readonly string[]
  readonly scalers: readonly string[]
}

/** @throws UserError that names the flag and the rule that is none */
export function rulesOf({ policy, queue, scaler }: RuleOptionValues): LabRules {
  return {
    policies:
      policy === 'ablations'
        ? ['loraplex', ...ablationNames]
        : namesOf('--policy', policy, policyNames, ablationNames),
    queues: namesOf('--queue', queue, queueNames),
    scalers: namesOf('--scaler', scaler, scalerNames),
  }
}

/** @throws UserError where the fleet's size at the start is outside of its bounds */
export function boundsOf(
  options: RuleOptionValues,
  replicas: number,
  { scalers }: LabRules,
): ScalingBounds {
  const minReplicas = options['min-replicas']
  const maxReplicas = options['max-replicas'] ?? mostTimes * replicas
  const isScaled = scalers.some((name) => name !== usualScaler)
  if (isScaled && (replicas < minReplicas || replicas > maxReplicas)) {
    throw new UserError(
      `--replicas ${replicas} is what scaling rules start with; it has to be within --min-replicas ${minReplicas} and --max-replicas ${maxReplicas}.`,
      2,
    )
  }
  return { coldStartMs: options['cold-start-seconds'] * 1000, minReplicas, maxReplicas }
}

const mostTimes = 3

/** @param others may be asked for by name, and are not among all */
function namesOf(
  flag: string,
  text: string,
  all: readonly string[],
  others: readonly string[] = [],
): readonly string[] {
  const known = [...all, ...others]
  const names = text === 'all' ? all : text.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw new UserError(
      `${flag}: there is no rule ${JSON.stringify(unknown)}; there are ${known.join(', ')}.`,
      2,
    )
  }
  return [...new Set(names)]
}
