import { labels, replicaPorts } from '../api/cluster-names.ts'
import type { ModelPool } from '../api/model-pool.ts'
import { planReaderPolicy } from './claim-reader.ts'
import type { DesiredObject, JsonMap, WorkloadInput } from './workload-input.ts'
import { childMetadata, engineObjectName, podSelectorOf, poolSecretName } from './workload-names.ts'
import { planPodTemplate } from './workload-pod.ts'
import { planDisruptionBudget, planNetworkPolicy } from './workload-policies.ts'

/** Everything made for a pool, but for how many replicas there are: that is decided apart and later. */
export interface Workload {
  /** Without `spec.replicas` and `spec.template`. */
  readonly deployment: DesiredObject
  readonly podTemplate: JsonMap
  /** Created, never changed: a new revision has its own. */
  readonly secret: DesiredObject
  /** Service, ServiceAccount, NetworkPolicies, PodDisruptionBudget. */
  readonly others: readonly DesiredObject[]
}

/** What a pool's spec comes to in a cluster. Undefined for one whose engines run already. */
export function planWorkload(input: WorkloadInput): Workload {
  return {
    deployment: planDeployment(input.pool),
    podTemplate: planPodTemplate(input),
    secret: planSecret(input),
    others: [
      planServiceAccount(input.pool),
      planService(input.pool),
      planNetworkPolicy(input),
      planReaderPolicy(input.pool, input.settings),
      planDisruptionBudget(input),
    ],
  }
}

function planDeployment(pool: ModelPool): DesiredObject {
  const { engine, rollout } = pool.spec
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: childMetadata(pool, engineObjectName(pool.metadata.name), {}),
    spec: {
      selector: { matchLabels: podSelectorOf(pool.metadata.name) },
      strategy: {
        type: 'RollingUpdate',
        rollingUpdate: { maxSurge: rollout.maxSurge, maxUnavailable: rollout.maxUnavailable },
      },
      // Pulling images and fetching weights come before the engine's own start.
      progressDeadlineSeconds: 2 * engine.startupTimeoutSeconds + 600,
      revisionHistoryLimit: 2,
      minReadySeconds: 0,
    },
  }
}

/** Nothing in a replica pod speaks to the API server. */
function planServiceAccount(pool: ModelPool): DesiredObject {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: childMetadata(pool, engineObjectName(pool.metadata.name), {}),
    automountServiceAccountToken: false,
  }
}

/** Headless: gateways choose a replica themselves; this gives the pods names and monitoring a target. */
function planService(pool: ModelPool): DesiredObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: childMetadata(pool, engineObjectName(pool.metadata.name), {}),
    spec: {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      selector: podSelectorOf(pool.metadata.name),
      ports: [
        { name: 'engine', port: replicaPorts.engine, protocol: 'TCP', targetPort: 'engine' },
        { name: 'agent', port: replicaPorts.agent, protocol: 'TCP', targetPort: 'agent' },
      ],
    },
  }
}

function planSecret({ pool, poolRevision, tokens }: WorkloadInput): DesiredObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: childMetadata(pool, poolSecretName(pool.metadata.name, poolRevision), {
      labels: { [labels.poolRevision]: poolRevision },
    }),
    type: 'Opaque',
    immutable: true,
    stringData: {
      'engine-key': tokens.engineKey,
      'agent-token': tokens.agentToken,
      'depot-token': tokens.depotToken,
    },
  }
}
