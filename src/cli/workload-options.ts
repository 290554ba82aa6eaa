import { isMap } from '../core/merge-pod-template.ts'
import type { JsonMap, WorkloadSettings } from '../core/workload-input.ts'
import { UserError } from '../errors.ts'

/** What of an installation goes into the pods of its pools. */
export const workloadOptions = {
  namespace: {
    type: 'string',
    summary: 'Namespace of the release: gateways and depot are there',
    placeholder: 'name',
    default: 'loraplex',
  },
  'agent-image': {
    type: 'string',
    summary: 'This image: agents and what fetches models run from it',
    placeholder: 'image',
    default: 'loraplex',
  },
  'agent-rollout': {
    type: 'string',
    summary: "When another agent image reaches running pods: with the pool's next change, or now",
    choices: ['WithPool', 'Now'],
    default: 'WithPool',
  },
  'image-pull-policy': {
    type: 'string',
    summary: 'Of the agent image',
    choices: ['Always', 'IfNotPresent', 'Never'],
    default: 'IfNotPresent',
  },
  'image-pull-secrets': {
    type: 'string',
    summary: "Names in the pools' namespaces, with commas between",
    placeholder: 'names',
  },
  'depot-url': {
    type: 'string',
    summary: 'Where agents get adapters',
    placeholder: 'url',
    default: 'http://loraplex-depot.loraplex.svc:8200',
  },
  'agent-resources': {
    type: 'string',
    summary: 'Requests and limits of the agent, as JSON',
    placeholder: 'json',
    default: '{"requests":{"cpu":"100m","memory":"256Mi"},"limits":{"memory":"1Gi"}}',
  },
  'monitoring-peers': {
    type: 'string',
    summary: "NetworkPolicy peers that may read agents' metrics, as a JSON list; default: nobody",
    placeholder: 'json',
  },
  'run-as-user': {
    type: 'integer',
    summary: 'User and group of the containers of replica pods',
    minimum: 1,
    maximum: 2_147_483_647,
    default: 65_532,
  },
} as const

export interface WorkloadOptionValues {
  readonly namespace: string
  readonly 'agent-image': string
  readonly 'image-pull-policy': WorkloadSettings['imagePullPolicy']
  readonly 'image-pull-secrets': string | undefined
  readonly 'depot-url': string
  readonly 'agent-resources': string
  readonly 'monitoring-peers': string | undefined
  readonly 'run-as-user': number
}

export function workloadSettingsOf(options: WorkloadOptionValues): WorkloadSettings {
  return {
    image: options['agent-image'],
    imagePullPolicy: options['image-pull-policy'],
    imagePullSecrets: (options['image-pull-secrets'] ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
    releaseNamespace: options.namespace,
    depotUrl: options['depot-url'].replace(/\/$/, ''),
    agentResources: parseResources(options['agent-resources']),
    monitoringPeers: parsePeers(options['monitoring-peers'] ?? '[]'),
    runAsUser: options['run-as-user'],
  }
}

function parseResources(text: string): WorkloadSettings['agentResources'] {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      return parsed
    }
  } catch {
    // Said below.
  }
  throw new UserError(
    `--agent-resources is no JSON object. Write {"requests":{"cpu":"100m"}}, not ${text}.`,
    2,
  )
}

function parsePeers(text: string): readonly JsonMap[] {
  try {
    const parsed: unknown = JSON.parse(text)
    if (Array.isArray(parsed) && parsed.every(isMap)) {
      return parsed
    }
  } catch {
    // Said below.
  }
  throw new UserError(
    `--monitoring-peers is no JSON list of peers. Write [{"namespaceSelector":{}}], not ${text}.`,
    2,
  )
}
