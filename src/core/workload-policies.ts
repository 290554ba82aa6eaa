import { depotPort, labels, replicaPorts } from '../api/cluster-names.ts'
import type { DesiredObject, JsonMap, WorkloadInput, WorkloadSettings } from './workload-input.ts'
import { childMetadata, engineObjectName, modelPlaceOf, podSelectorOf } from './workload-names.ts'

/**
 * Who may speak to replica pods, and to whom they may. A policy is the pod's and not the container's: where the init
 * container has to reach the hub, the pod may reach port 443 of addresses outside private ranges. A pool whose weights
 * are on a claim reaches the depot and nothing else. Probes come from the node, which no policy keeps out.
 */
export function planNetworkPolicy(input: WorkloadInput): DesiredObject {
  const { pool, settings } = input
  const { name } = pool.metadata
  const from = (component: string): JsonMap => peerOf(component, settings)
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: childMetadata(pool, engineObjectName(name), {}),
    spec: {
      podSelector: { matchLabels: podSelectorOf(name) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [from('gateway')],
          ports: [tcp(replicaPorts.engine), tcp(replicaPorts.agent)],
        },
        { from: [from('controller')], ports: [tcp(replicaPorts.agent)] },
        ...monitoringIngress(input),
      ],
      egress: [
        { to: [from('depot')], ports: [tcp(depotPort)] },
        { ports: [{ protocol: 'UDP', port: 53 }, tcp(53)] },
        ...hubEgress(input),
      ],
    },
  }
}

/** The agent's port: everything on it but metrics and probes asks for a token. An empty list would let in everybody. */
function monitoringIngress({ settings: { monitoringPeers = [] } }: WorkloadInput) {
  return monitoringPeers.length === 0
    ? []
    : [{ from: monitoringPeers, ports: [tcp(replicaPorts.agent)] }]
}

function hubEgress({ pool }: WorkloadInput): readonly JsonMap[] {
  if (!modelPlaceOf(pool).isFetched || !pool.spec.model.uri.startsWith('hf:')) {
    return []
  }
  return [
    {
      to: [
        {
          ipBlock: {
            cidr: '0.0.0.0/0',
            except: [
              '10.0.0.0/8',
              '100.64.0.0/10',
              '169.254.0.0/16',
              '172.16.0.0/12',
              '192.168.0.0/16',
            ],
          },
        },
        { ipBlock: { cidr: '::/0', except: ['fc00::/7', 'fe80::/10'] } },
      ],
      ports: [tcp(443)],
    },
  ]
}

/** Our pods of one component, in the release's namespace. */
export function peerOf(
  component: string,
  { releaseNamespace }: Pick<WorkloadSettings, 'releaseNamespace'>,
): JsonMap {
  return {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': releaseNamespace } },
    podSelector: { matchLabels: { [labels.component]: component } },
  }
}

export function tcp(port: number): JsonMap {
  return { protocol: 'TCP', port }
}

/** A node drain takes one replica after the other; it waits for streams by the pods' own hook. */
export function planDisruptionBudget({ pool }: WorkloadInput): DesiredObject {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: childMetadata(pool, engineObjectName(pool.metadata.name), {}),
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: podSelectorOf(pool.metadata.name) },
      // One that never became ready is in nobody's way.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    },
  }
}
