/** Values files that together turn on everything the chart can do. */
export const chartValueSets: Readonly<Record<string, object>> = {
  defaults: {},
  'everything on': {
    image: { registry: 'registry.example.com/mirror/', digest: `sha256:${'a'.repeat(64)}` },
    imagePullSecrets: [{ name: 'mirror' }],
    commonLabels: { team: 'platform' },
    extraCaBundle: { configMap: 'company-ca' },
    podSecurityContext: { runAsUser: null, runAsGroup: null, fsGroup: null },
    controller: {
      agentRollout: 'Now',
      engineImagePullSecrets: ['mirror', 'other'],
      nodeSelector: { pool: 'system' },
      tolerations: [{ key: 'system', operator: 'Exists' }],
      extraEnv: [{ name: 'NODE_OPTIONS', value: '--trace-warnings' }],
    },
    gateway: {
      podLabels: { 'mesh.example.com/inject': 'false' },
      podAnnotations: { note: 'yes' },
      priorityClassName: 'system-cluster-critical',
      serviceAccount: { annotations: { 'cloud.example.com/role': 'gateway' } },
      service: { type: 'LoadBalancer', port: 80, annotations: { 'lb.example.com/idle': '3600' } },
      autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 20 },
      podDisruptionBudget: { maxUnavailable: '25%' },
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            {
              weight: 1,
              podAffinityTerm: {
                topologyKey: 'kubernetes.io/hostname',
                labelSelector: { matchLabels: { 'app.kubernetes.io/component': 'gateway' } },
              },
            },
          ],
        },
      },
    },
    depot: {
      fileRoots: ['/models', '/more'],
      privateHosts: ['artifacts.example.com'],
      cache: { persistent: true, size: '200Gi', storageClassName: 'fast' },
      extraVolumes: [{ name: 'models', persistentVolumeClaim: { claimName: 'models' } }],
      extraVolumeMounts: [{ name: 'models', mountPath: '/models', readOnly: true }],
    },
    ingress: {
      enabled: true,
      className: 'nginx',
      hosts: ['llm.example.com'],
      tls: [{ secretName: 'llm-tls', hosts: ['llm.example.com'] }],
      annotations: { 'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600' },
    },
    networkPolicy: {
      tenants: [
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } },
      ],
      monitoring: [
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
      ],
      sources: [{ ipBlock: { cidr: '203.0.113.0/24' } }],
      sourcePorts: [443, 8443],
    },
    metrics: {
      readers: [{ name: 'prometheus', namespace: 'monitoring' }],
      dashboards: { enabled: true, annotations: { folder: 'LLM' } },
    },
    extraObjects: [
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'more', namespace: '{{ .Release.Namespace }}' },
        data: { gateway: '{{ include "loraplex.fullname" . }}-gateway' },
      },
    ],
  },
  'as little as possible': {
    fullnameOverride: 'lp',
    crds: { enabled: false },
    rbac: { aggregate: false },
    controller: { replicas: 1, podDisruptionBudget: { enabled: false } },
    gateway: { replicas: 1, podDisruptionBudget: { enabled: false }, drainSeconds: 60 },
    depot: { cache: { existingClaim: 'mine' }, podDisruptionBudget: { enabled: false } },
    networkPolicy: { enabled: false },
  },
}

/** What needs CRDs of other projects. */
export const valuesForOthersKinds = {
  httpRoute: {
    enabled: true,
    parentRefs: [{ name: 'public', namespace: 'gateways' }],
    hostnames: ['llm.example.com'],
  },
  metrics: {
    alerts: { enabled: true, labels: { release: 'prometheus' } },
    podMonitor: { enabled: true, labels: { release: 'prometheus' } },
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
  },
}
