import { z } from 'zod'

/** Values that Kubernetes itself checks when it gets them; the chart passes them on. */
const openMap = (description: string) =>
  z.record(z.string(), z.unknown()).default({}).meta({ description })
const openList = (description: string) =>
  z.array(z.record(z.string(), z.unknown())).default([]).meta({ description })
const textMap = (description: string, preset: Readonly<Record<string, string>> = {}) =>
  z.record(z.string(), z.string()).default(preset).meta({ description })
const text = (preset: string, description: string) =>
  z.string().default(preset).meta({ description })
const flag = (preset: boolean, description: string) =>
  z.boolean().default(preset).meta({ description })
const whole = (preset: number, minimum: number, maximum: number, description: string) =>
  z.int().min(minimum).max(maximum).default(preset).meta({ description })
/** Kubernetes takes a count or a share. */
const countOrShare = (preset: number | string, description: string) =>
  z
    .union([z.int().min(0), z.string().regex(/^\d+%$/)])
    .default(preset)
    .meta({ description })

interface WorkloadPresets {
  readonly replicas: number
  readonly maxReplicas: number
  readonly cpu: string
  readonly memory: string
}

/** What every Deployment of the chart can be told. */
function workload({ replicas, maxReplicas, cpu, memory }: WorkloadPresets) {
  return {
    replicas: whole(replicas, 0, maxReplicas, 'Pods.'),
    resources: z
      .record(z.string(), z.unknown())
      .default({ requests: { cpu, memory }, limits: { memory } })
      .meta({ description: 'Requests and limits of the container.' }),
    podDisruptionBudget: z
      .strictObject({
        enabled: flag(true, 'Make a PodDisruptionBudget.'),
        maxUnavailable: countOrShare(1, 'Pods that may be evicted at once: a count or a share.'),
      })
      .prefault({}),
    topologySpreadConstraints: openList(
      'Default: spread over nodes and zones where that can be done.',
    ),
    serviceAccount: z
      .strictObject({
        annotations: textMap('Such as those for workload identity.'),
      })
      .prefault({}),
    podLabels: textMap('Further labels of the pods.'),
    podAnnotations: textMap('Further annotations of the pods.'),
    nodeSelector: textMap('Labels that a node must have.'),
    tolerations: openList('Taints that are no obstacle.'),
    affinity: openMap('Affinity of the pods.'),
    priorityClassName: text('', 'PriorityClass of the pods.'),
    extraArgs: z
      .array(z.string())
      .default([])
      .meta({ description: 'Further flags of the command, such as `--log-level=debug`.' }),
    extraEnv: openList('Further variables of the container.'),
    extraVolumes: openList('Further volumes of the pods.'),
    extraVolumeMounts: openList('Where the container sees them.'),
  }
}

const image = z.strictObject({
  registry: text(
    '',
    'Registry or mirror, without a slash at the end; empty: what the nodes take for none.',
  ),
  repository: text('loraplex', 'Repository of the one image of all processes.'),
  tag: text('', 'Default: the chart’s appVersion.'),
  digest: text('', '`sha256:…`; wins over the tag.'),
  pullPolicy: z
    .enum(['Always', 'IfNotPresent', 'Never'])
    .default('IfNotPresent')
    .meta({ description: 'When nodes pull.' }),
})

const networkPolicy = z.strictObject({
  enabled: flag(
    true,
    'Make NetworkPolicies for gateway, controller and depot. Pools get theirs from the controller.',
  ),
  apiServerPorts: z.array(z.int().min(1).max(65_535)).default([443, 6443]).meta({
    description: 'Ports of the API server behind its Service; anywhere, for no policy can name it.',
  }),
  tenants: openList('Peers that may call the tenant port; empty: anybody.'),
  monitoring: openList(
    'Peers that may read metrics; empty: any pod of the cluster. Prometheus’ namespace is a good choice.',
  ),
  sourcePorts: z
    .array(z.int().min(1).max(65_535))
    .default([443])
    .meta({ description: 'Ports on which the depot fetches adapters.' }),
  sources: openList('Peers the depot may fetch from on these ports; empty: anywhere.'),
})

const monitor = (what: string) =>
  z
    .strictObject({
      enabled: flag(false, `Make a ${what}; needs the Prometheus operator.`),
      labels: textMap('Labels by which Prometheus finds it.'),
      interval: text('15s', 'How often it is read.'),
    })
    .prefault({})

const metrics = z.strictObject({
  serviceMonitor: monitor('ServiceMonitor for gateway, controller and depot'),
  podMonitor: monitor('PodMonitor for the agents of the engines, in all namespaces'),
  readers: z
    .array(
      z.strictObject({
        name: z.string().min(1).meta({ description: 'The ServiceAccount.' }),
        namespace: z.string().min(1).meta({ description: 'Its namespace.' }),
      }),
    )
    .default([])
    .meta({
      description:
        'ServiceAccounts that may read metrics: `name` and `namespace` of Prometheus’ own.',
    }),
  dashboards: z
    .strictObject({
      enabled: flag(false, 'Make a ConfigMap with the Grafana dashboard.'),
      labels: textMap('Labels by which Grafana’s sidecar finds it.', { grafana_dashboard: '1' }),
      annotations: textMap('Such as the folder it goes to.'),
    })
    .prefault({}),
  alerts: z
    .strictObject({
      enabled: flag(false, 'Make a PrometheusRule with alerts; needs the Prometheus operator.'),
      labels: textMap('Labels by which Prometheus finds it.'),
    })
    .prefault({}),
})

const ingress = z.strictObject({
  enabled: flag(false, 'Make an Ingress to the tenant port.'),
  className: text('', 'IngressClass.'),
  annotations: textMap('Such as the time a stream may take and the size a body may have.'),
  hosts: z
    .array(z.string().min(1))
    .default([])
    .meta({ description: 'Names that callers use; at least one.' }),
  tls: z
    .array(
      z.strictObject({
        secretName: z.string().min(1).meta({ description: 'Secret with the certificate.' }),
        hosts: z.array(z.string()).default([]).meta({ description: 'Names it is for.' }),
      }),
    )
    .default([])
    .meta({ description: 'Certificates: `secretName` and `hosts`.' }),
})

const httpRoute = z.strictObject({
  enabled: flag(false, 'Make an HTTPRoute to the tenant port; needs the Gateway API.'),
  annotations: textMap('Annotations of the route.'),
  parentRefs: openList('Gateways it hangs on; at least one.'),
  hostnames: z.array(z.string()).default([]).meta({ description: 'Names that callers use.' }),
  requestTimeout: text(
    '0s',
    'How long the proxy lets a request take; `0s` is no limit, empty leaves it out.',
  ),
})

const controller = z.strictObject({
  ...workload({ replicas: 2, maxReplicas: 10, cpu: '100m', memory: '512Mi' }),
  agentRollout: z.enum(['WithPool', 'Now']).default('WithPool').meta({
    description:
      'When engines’ pods get a new agent image: with the next change of their pool, or at once.',
  }),
  agentResources: z
    .record(z.string(), z.unknown())
    .default({ requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '1Gi' } })
    .meta({ description: 'Requests and limits of the agent beside each engine.' }),
  engineUser: whole(65_532, 1, 2_147_483_647, 'User and group of the containers of engines’ pods.'),
  engineImagePullSecrets: z
    .array(z.string().min(1))
    .default([])
    .meta({ description: 'Names of Secrets for the registry in the namespaces of pools.' }),
})

const gateway = z.strictObject({
  ...workload({ replicas: 2, maxReplicas: 100, cpu: '500m', memory: '1Gi' }),
  shutdownDelaySeconds: whole(
    10,
    0,
    600,
    'How long a gateway that goes still takes new requests, until nobody sends it any.',
  ),
  drainSeconds: whole(
    3600,
    0,
    86_400,
    'How long open streams may last then; at least the longest `maxStreamSeconds` of your pools.',
  ),
  maxQueueSeconds: whole(
    30,
    1,
    3600,
    'How long a request may wait for a slot, a load or an engine.',
  ),
  maxColdStartSeconds: whole(
    3600,
    0,
    86_400,
    'How long a request may wait while its pool has no engine yet, where `engine.startupTimeoutSeconds` of the pool is not less. 0: `maxQueueSeconds` is all.',
  ),
  maxConfigAge: text(
    '24h',
    'How long without a word from the API server a gateway stays ready, with what it knows.',
  ),
  ledger: z
    .strictObject({
      url: text(
        'memory:',
        'Where limits and budgets are counted: `redis://HOST:PORT` or `postgres://HOST/DATABASE` for all gateways together. `memory:` is each gateway by itself, with its share of each limit, and forgets.',
      ),
      usageUrl: text(
        '',
        'Where bills are kept: `postgres://HOST/DATABASE`. Default: beside the ledger; with Redis in memory.',
      ),
      secret: text(
        '',
        'Secret in the release’s namespace whose `url` and `usageUrl` go before these: for URLs with passwords.',
      ),
      ports: z.array(z.int().min(1).max(65_535)).default([5432, 6379]).meta({
        description: 'Ports of those stores, which the network policy lets gateways reach.',
      }),
      budgetsWhileAway: z.enum(['Closed', 'LocalShare', 'Open']).default('Closed').meta({
        description:
          'While those stores are away, requests under a budget: refused, by each gateway’s share of it, or not counted.',
      }),
      ratesWhileAway: z
        .enum(['Closed', 'LocalShare', 'Open'])
        .default('LocalShare')
        .meta({ description: 'The same of requests under other limits.' }),
      currency: text('usd', 'What prices and budgets are in, as ISO 4217 writes it.'),
    })
    .prefault({}),
  unknownFields: z
    .enum(['Drop', 'Reject'])
    .default('Drop')
    .meta({ description: 'What becomes of request fields that nobody knows.' }),
  service: z
    .strictObject({
      type: z
        .enum(['ClusterIP', 'LoadBalancer', 'NodePort'])
        .default('ClusterIP')
        .meta({ description: 'Type of the tenants’ Service.' }),
      port: whole(8080, 1, 65_535, 'Its port.'),
      annotations: textMap('Such as those of a load balancer.'),
    })
    .prefault({}),
  autoscaling: z
    .strictObject({
      enabled: flag(false, 'Make a HorizontalPodAutoscaler; `replicas` then has no meaning.'),
      minReplicas: whole(2, 1, 100, 'Fewest pods.'),
      maxReplicas: whole(10, 1, 100, 'Most pods.'),
      targetCPUUtilizationPercentage: whole(70, 1, 100, 'Share of the requested CPU.'),
    })
    .prefault({}),
})

const depot = z.strictObject({
  // One: its cache is its own, and agents come for what it fetched.
  ...workload({ replicas: 1, maxReplicas: 1, cpu: '250m', memory: '2Gi' }),
  fileRoots: z.array(z.string().regex(/^\//)).default(['/adapters']).meta({
    description: 'Folders of `extraVolumeMounts` that `file:` sources may lead into.',
  }),
  maxAdapterMib: whole(8192, 1, 1_048_576, 'The largest adapter that is taken.'),
  privateHosts: z.array(z.string().min(1)).default([]).meta({
    description:
      'Hosts of `https:` sources that may have an address of a private network, such as an artifact store of your own.',
  }),
  cache: z
    .strictObject({
      size: text(
        '50Gi',
        'Of the claim, or the most the emptyDir may hold: a node without so much free disk evicts the depot before.',
      ),
      persistent: flag(
        false,
        'A claim in place of an emptyDir: adapters need not be fetched again after a restart.',
      ),
      storageClassName: text('', 'StorageClass of the claim; empty: the cluster’s default.'),
      existingClaim: text('', 'A claim of yours in place of the chart’s.'),
    })
    .prefault({}),
})

/** One source of `values.yaml`, `values.schema.json` and the table of the chart's README. */
export const chartValues = z.strictObject({
  nameOverride: text('', 'In place of the chart’s name in names and labels.'),
  fullnameOverride: text('', 'In place of release and chart name in names.'),
  global: openMap('Values that a parent chart shares; none are read.'),
  image: image.prefault({}),
  imagePullSecrets: z
    .array(z.strictObject({ name: z.string().min(1).meta({ description: 'The Secret’s name.' }) }))
    .default([])
    .meta({
      description: 'Secrets for the registry, by name, of gateway, controller and depot.',
    }),
  commonLabels: textMap('Labels on everything the chart makes.'),
  extraCaBundle: z
    .strictObject({
      configMap: text(
        '',
        'ConfigMap in the release’s namespace with more certificates of authorities.',
      ),
      key: text('ca.crt', 'Its key with the PEM file.'),
    })
    .prefault({}),
  adminAuth: z.enum(['Kubernetes', 'None']).default('Kubernetes').meta({
    description:
      'Who may read metrics and states of gateway, controller and depot: accounts that may `get` the path as a nonResourceURL, or whomever `networkPolicy.monitoring` lets in.',
  }),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .meta({ description: 'Least level that is logged.' }),
  logFormat: z
    .enum(['text', 'json'])
    .default('json')
    .meta({ description: 'How logs are written.' }),
  revisionHistoryLimit: whole(3, 0, 100, 'Old ReplicaSets that are kept.'),
  podSecurityContext: z
    .record(z.string(), z.unknown())
    .default({
      runAsNonRoot: true,
      runAsUser: 65_532,
      runAsGroup: 65_532,
      fsGroup: 65_532,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    })
    .meta({
      description: 'Of every pod. On OpenShift set `runAsUser`, `runAsGroup`, `fsGroup` to null.',
    }),
  crds: z
    .strictObject({
      enabled: flag(true, 'Install and upgrade the CRDs with the chart.'),
      keep: flag(true, 'Leave them, and with them every object of theirs, at `helm uninstall`.'),
    })
    .prefault({}),
  rbac: z
    .strictObject({
      create: flag(true, 'Make the roles of the processes and bind them.'),
      aggregate: flag(true, 'Add our kinds to the cluster’s `view`, `edit` and `admin`.'),
    })
    .prefault({}),
  controller: controller.prefault({}),
  gateway: gateway.prefault({}),
  depot: depot.prefault({}),
  ingress: ingress.prefault({}),
  httpRoute: httpRoute.prefault({}),
  networkPolicy: networkPolicy.prefault({}),
  metrics: metrics.prefault({}),
  extraObjects: openList('Further objects to install; text in them may use the chart’s templates.'),
})
