import { createHash } from 'node:crypto'
import { annotations, labels, readerFolder, readerPort } from '../api/cluster-names.ts'
import type { ModelPool } from '../api/model-pool.ts'
import { isMap } from './merge-pod-template.ts'
import { restricted } from './workload-containers.ts'
import type { DesiredObject, Json, JsonMap, WorkloadSettings } from './workload-input.ts'
import { childMetadata, engineObjectName, podSelectorOf } from './workload-names.ts'
import { asNobody, pullSecrets } from './workload-pod.ts'
import { peerOf, tcp } from './workload-policies.ts'

export interface ReaderInput {
  readonly pool: ModelPool
  readonly claim: string
  readonly settings: WorkloadSettings
  /** `tokenDigestOf` of what the depot shows. */
  readonly tokenDigest: string
}

/** A claim's name in labels and names, which are shorter. */
export function claimLabelOf(claim: string): string {
  return createHash('sha256').update(`claim\0${claim}`).digest('hex').slice(0, 10)
}

export function readerObjectName(poolName: string, claim: string): string {
  return `${poolName}-reader-${claimLabelOf(claim)}`
}

export function readerPolicyName(poolName: string): string {
  return `${poolName}-reader`
}

const readerOf = (poolName: string): Record<string, string> => ({
  [labels.pool]: poolName,
  [labels.component]: 'reader',
})

/**
 * One pod that reads one claim in the pool's namespace, since no other namespace's pods can mount it. A Deployment brings
 * it back after an eviction or a drain; it holds no Secret and no right.
 */
export function planReader(input: ReaderInput): DesiredObject {
  const { pool, claim } = input
  const { name } = pool.metadata
  const own = { ...readerOf(name), [labels.claim]: claimLabelOf(claim) }
  const metadata = childMetadata(pool, readerObjectName(name, claim), {
    labels: own,
    annotations: { [annotations.claim]: claim },
  })
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas: 1,
      revisionHistoryLimit: 0,
      // A claim of one node at a time could not be mounted by both.
      strategy: { type: 'Recreate' },
      selector: { matchLabels: own },
      template: {
        metadata: { labels: metadata.labels, annotations: { [annotations.claim]: claim } },
        spec: planPod(input),
      },
    },
  }
}

function planPod({ pool, claim, settings, tokenDigest }: ReaderInput): JsonMap {
  const { name } = pool.metadata
  return {
    serviceAccountName: engineObjectName(name),
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 10,
    // Not as fsGroup, by which the kubelet would change whose the files are.
    securityContext: { ...asNobody(settings), supplementalGroups: [settings.runAsUser] },
    ...pullSecrets(settings),
    ...placement(pool),
    containers: [
      {
        name: 'reader',
        image: settings.image,
        imagePullPolicy: settings.imagePullPolicy,
        args: ['read-claim', `--claim=${claim}`, `--token-digest=${tokenDigest}`],
        env: [{ name: 'LORAPLEX_LOG_FORMAT', value: 'json' }],
        ports: [{ name: 'reader', containerPort: readerPort, protocol: 'TCP' }],
        resources: settings.agentResources as JsonMap,
        securityContext: restricted,
        readinessProbe: { httpGet: { path: '/healthz', port: readerPort }, periodSeconds: 2 },
        livenessProbe: {
          httpGet: { path: '/healthz', port: readerPort },
          periodSeconds: 10,
          timeoutSeconds: 5,
          failureThreshold: 6,
        },
        volumeMounts: [{ name: 'claim', mountPath: readerFolder, readOnly: true }],
      },
    ],
    volumes: [{ name: 'claim', persistentVolumeClaim: { claimName: claim, readOnly: true } }],
  }
}

/** Beside an engine if that can be, which may have the same claim; and on tainted nodes as they are. */
function placement(pool: ModelPool): JsonMap {
  const own: Json = pool.spec.podTemplate as Json
  const spec = isMap(own) ? own['spec'] : undefined
  const tolerations = isMap(spec) ? spec['tolerations'] : undefined
  const podAffinityTerm = {
    topologyKey: 'kubernetes.io/hostname',
    labelSelector: { matchLabels: podSelectorOf(pool.metadata.name) },
  }
  return {
    ...(tolerations === undefined ? {} : { tolerations }),
    affinity: {
      podAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm }],
      },
    },
  }
}

/** The depot asks what reads claims, and that asks nobody, not even for a name. It is there before any reader is. */
export function planReaderPolicy(pool: ModelPool, settings: WorkloadSettings): DesiredObject {
  const { name } = pool.metadata
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: childMetadata(pool, readerPolicyName(name), {}),
    spec: {
      podSelector: { matchLabels: readerOf(name) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ from: [peerOf('depot', settings)], ports: [tcp(readerPort)] }],
      egress: [],
    },
  }
}
