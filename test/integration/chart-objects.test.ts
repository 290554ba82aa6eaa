// What the chart renders is taken by a real API server, and its pods by restricted pod security.
import { beforeAll, describe, expect, test } from 'vitest'
import { labels } from '../../src/api/cluster-names.ts'
import { commands } from '../../src/cli/commands.ts'
import { resolveOption } from '../../src/cli/parse-option.ts'
import { logFormats } from '../../src/cli/command.ts'
import { chartValueSets, valuesForOthersKinds } from '../support/chart-values.ts'
import { helm, objectsOf, renderChart, templateChart, type KubeObject } from '../support/chart.ts'
import { dryRun } from '../support/dry-run.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const namespace = 'loraplex-system'
const api = sharedApiServer()

beforeAll(async () => {
  await api().createNamespace(namespace, { 'pod-security.kubernetes.io/enforce': 'restricted' })
})

describe.each(Object.entries(chartValueSets))('with %s', (_name, values) => {
  test('the API server takes every object', async () => {
    const objects = renderChart(values, namespace)
    expect(objects.length).toBeGreaterThan(10)
    for (const object of objects) {
      const { status, body } = await dryRun(api(), object)
      expect(`${nameOf(object)} ${status} ${body.message ?? ''}`).toMatch(/ 20[01] $/)
    }
  })

  test('every pod is admitted under restricted pod security', async () => {
    for (const pod of podsOf(renderChart(values, namespace))) {
      const { status, body } = await dryRun(api(), pod)
      expect(`${nameOf(pod)} ${status} ${body.message ?? ''}`).toMatch(/ 20[01] $/)
    }
  })

  test('every container has a read-only root and says what it needs', () => {
    for (const pod of podsOf(renderChart(values, namespace))) {
      for (const container of pod['spec'].containers) {
        expect(container).toMatchObject({
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
          resources: { requests: { cpu: expect.anything(), memory: expect.anything() } },
        })
      }
    }
  })

  test('every flag and variable of a process is one of its command', () => {
    const containers = podsOf(renderChart(values, namespace))
      .flatMap((pod) => pod['spec'].containers)
      .filter((container) => container.command === undefined)
    expect(containers.map((container) => String(container.args[0])).toSorted()).toEqual([
      'controller',
      'depot',
      'gateway',
    ])
    for (const container of containers) {
      expect(misunderstood(container)).toEqual([])
    }
  })

  test('no Secret is in the release, and nothing draws at random', () => {
    const rendered = renderChart(values, namespace)
    expect(rendered.filter(({ kind }) => kind === 'Secret')).toEqual([])
    expect(renderChart(values, namespace)).toEqual(rendered)
  })

  test('a gateway has the time for its longest stream', () => {
    const gateway = find(renderChart(values, namespace), 'Deployment', /-gateway$/)
    const { terminationGracePeriodSeconds, containers } = gateway['spec'].template.spec
    const seconds = (flag: string): number =>
      Number(containers[0].args.find((arg: string) => arg.startsWith(flag))?.split('=')[1])
    expect(terminationGracePeriodSeconds).toBeGreaterThan(
      seconds('--shutdown-delay-seconds') + seconds('--drain-seconds'),
    )
  })
})

test('pod security is on: a pod that may do more is refused', async () => {
  const { status, body } = await dryRun(api(), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'root', namespace },
    spec: { containers: [{ name: 'root', image: 'root', securityContext: { privileged: true } }] },
  })
  expect(status).toBe(403)
  expect(body.message).toContain('violates PodSecurity "restricted')
})

test('what leads to the tenants leads to no other port', () => {
  const objects = renderChart(
    {
      ...valuesForOthersKinds,
      ingress: { enabled: true, hosts: ['llm.example.com'] },
      gateway: { service: { type: 'LoadBalancer', port: 80 } },
    },
    namespace,
  )
  expect(find(objects, 'Service', /-gateway$/)['spec'].ports).toEqual([
    { name: 'http', port: 80, targetPort: 'http', appProtocol: 'http' },
  ])
  expect(find(objects, 'Ingress', /-gateway$/)['spec'].rules[0].http.paths).toEqual([
    {
      path: '/',
      pathType: 'Prefix',
      backend: { service: { name: 'loraplex-gateway', port: { name: 'http' } } },
    },
  ])
  expect(find(objects, 'HTTPRoute', /-gateway$/)['spec'].rules).toEqual([
    {
      matches: [{ path: { type: 'PathPrefix', value: '/' } }],
      backendRefs: [{ name: 'loraplex-gateway', port: 80 }],
      timeouts: { request: '0s' },
    },
  ])
})

test('a shared ledger is named by a Secret, and its ports are open', () => {
  const objects = renderChart({ gateway: { ledger: { secret: 'stores' } } }, namespace)
  const [container] = find(objects, 'Deployment', /-gateway$/)['spec'].template.spec.containers
  expect(container.env).toContainEqual({
    name: 'LORAPLEX_LEDGER',
    valueFrom: { secretKeyRef: { name: 'stores', key: 'url' } },
  })
  expect(container.args).toContain('--gateways=2')
  const { egress } = find(objects, 'NetworkPolicy', /-gateway$/)['spec']
  expect(egress).toContainEqual({ ports: [{ port: 5432 }, { port: 6379 }] })
})

test('who speaks to whom is what the policies let through', () => {
  const objects = renderChart({}, namespace)
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy')
  const pods = podsOf(objects).filter(({ kind, metadata }) => {
    return kind === 'Pod' && !metadata.name.endsWith('-test')
  })
  /** Of one component's policy: peers by component, `*` for anybody, and the ports. */
  const rulesOf = (component: string, direction: 'ingress' | 'egress'): readonly string[] => {
    const policy = find(policies, 'NetworkPolicy', new RegExp(`-${component}$`))['spec']
    const side = direction === 'ingress' ? 'from' : 'to'
    return policy[direction].flatMap((rule: KubeObject) =>
      (rule[side] ?? [{}]).map(({ podSelector }: KubeObject) => {
        const peer = podSelector?.matchLabels[labels.component] ?? '*'
        return `${peer} ${rule['ports'].map(({ port }: { port: number }) => port).join(',')}`
      }),
    )
  }
  expect(rulesOf('gateway', 'ingress')).toEqual(['* 8080', 'controller 8090', '* 9090'])
  expect(rulesOf('gateway', 'egress')).toEqual(['* 53,53', '* 443,6443', 'engine 8000,8100'])
  expect(rulesOf('depot', 'ingress')).toEqual(['controller 8200', 'engine 8200', '* 9090'])
  expect(rulesOf('depot', 'egress')).toEqual(['* 53,53', '* 443,6443', 'reader 8300', '* 443'])
  expect(rulesOf('controller', 'ingress')).toEqual(['* 9090'])
  expect(rulesOf('controller', 'egress')).toEqual([
    '* 53,53',
    '* 443,6443',
    'gateway 8090',
    'depot 8200',
    'engine 8100',
  ])
  // Each policy is about the pods it is named after, and leaves none out.
  for (const pod of pods) {
    const policy = find(policies, 'NetworkPolicy', new RegExp(`^${pod.metadata.name}$`))
    expect(matches(pod.metadata.labels ?? {}, policy['spec'].podSelector.matchLabels)).toBe(true)
  }
})

test('Prometheus finds each process once, and the agents in every namespace', () => {
  const metrics = { serviceMonitor: { enabled: true }, podMonitor: { enabled: true } }
  const objects = renderChart({ metrics }, namespace)
  const { selector, endpoints } = find(objects, 'ServiceMonitor', /^loraplex$/)['spec']
  expect(endpoints).toHaveLength(1)
  expect(endpoints[0].bearerTokenFile).toMatch(/serviceaccount\/token$/)
  const scraped = objects
    .filter(({ kind, metadata }) => {
      return kind === 'Service' && matches(metadata.labels ?? {}, selector.matchLabels)
    })
    .flatMap((service) => {
      expect(service['spec'].ports.map(({ name }: { name: string }) => name)).toEqual([
        endpoints[0].port,
      ])
      return podsOf(objects).filter((pod) =>
        matches(pod.metadata.labels ?? {}, service['spec'].selector),
      )
    })
  expect(scraped.map(({ metadata }) => metadata.name).toSorted()).toEqual([
    'loraplex-controller',
    'loraplex-depot',
    'loraplex-gateway',
  ])
  const engines = find(objects, 'PodMonitor', /-engines$/)['spec']
  const controller = find(objects, 'Deployment', /-controller$/)['spec'].template.spec.containers[0]
  expect(controller.args).toContain('--monitoring-peers=[{"namespaceSelector":{}}]')
  expect(misunderstood(controller)).toEqual([])
  expect(engines.namespaceSelector).toEqual({ any: true })
  expect(engines.selector.matchLabels).toEqual({ [labels.component]: 'engine' })
})

test.each(['Kubernetes', 'None'])(
  'adminAuth: %s is every process’s, and Prometheus’',
  (adminAuth) => {
    const metrics = { serviceMonitor: { enabled: true } }
    const objects = renderChart({ adminAuth, metrics }, namespace)
    const deployments = objects.filter(({ kind }) => kind === 'Deployment')
    expect(deployments).toHaveLength(3)
    for (const { spec } of deployments) {
      expect(spec.template.spec.containers[0].args).toContain(`--admin-auth=${adminAuth}`)
    }
    const [endpoint] = find(objects, 'ServiceMonitor', /^loraplex$/)['spec'].endpoints
    expect('bearerTokenFile' in endpoint).toBe(adminAuth === 'Kubernetes')
  },
)

test('alerts are rules of Prometheus, with what they say about labels as it is', () => {
  const values = { metrics: { alerts: { enabled: true, labels: { release: 'prometheus' } } } }
  const rule = find(renderChart(values, namespace), 'PrometheusRule', /^loraplex$/)
  expect(rule.metadata.labels).toMatchObject({ release: 'prometheus' })
  const [group] = rule['spec'].groups
  expect(group.rules.length).toBeGreaterThan(10)
  expect(JSON.stringify(group.rules)).toContain('{{ $labels.pool }}')
})

test.each([
  ['an unknown value', { gatewey: {} }, /gatewey/],
  ['an unknown value within', { gateway: { replica: 3 } }, /replica/],
  ['a text where a number belongs', { gateway: { replicas: 'two' } }, /replicas/],
  ['a choice that is none', { controller: { agentRollout: 'Later' } }, /agentRollout/],
  [
    'a value that --reuse-values left out',
    { gateway: { maxQueueSeconds: null } },
    /maxQueueSeconds/,
  ],
  ['an Ingress without hosts', { ingress: { enabled: true } }, /ingress\.hosts is empty/],
  ['a route without parents', { httpRoute: { enabled: true } }, /parentRefs is empty/],
])('%s is refused with its name', (_what, values, words) => {
  const { ok, err } = templateChart(values)
  expect(ok).toBe(false)
  expect(err).toMatch(words)
})

test('a cluster without native sidecars is refused', () => {
  const { ok, err } = helm('template', 'x', 'charts/loraplex', '--kube-version', '1.28.9')
  expect(ok).toBe(false)
  expect(err).toContain('incompatible with Kubernetes')
})

test('the chart passes helm lint', () => {
  const { ok, out, err } = helm('lint', 'charts/loraplex', '--strict')
  expect(`${out}${err}`).toContain('0 chart(s) failed')
  expect(ok).toBe(true)
})

test('the rendered manifest is the chart’s, with its namespace', async () => {
  const { readFile } = await import('node:fs/promises')
  const objects = objectsOf(await readFile('manifests/install.yaml', 'utf8'))
  expect(objects[0]?.kind).toBe('Namespace')
  expect(objects.filter(({ kind }) => kind === 'Deployment')).toHaveLength(3)
  for (const object of objects) {
    const { status, body } = await dryRun(api(), object)
    expect(`${nameOf(object)} ${status} ${body.message ?? ''}`).toMatch(/ 20[01] $/)
  }
})

function podsOf(objects: readonly KubeObject[]): readonly KubeObject[] {
  return objects.flatMap((object) => {
    if (object.kind === 'Pod') {
      return [object]
    }
    return object.kind === 'Deployment'
      ? [
          {
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: {
              ...object['spec'].template.metadata,
              name: object.metadata.name,
              namespace: object.metadata.namespace,
            },
            spec: object['spec'].template.spec,
          },
        ]
      : []
  })
}

interface ProcessContainer {
  readonly args: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
}

/** Flags that its command does not have or whose value it does not take, and variables that nobody reads. */
function misunderstood({ args, env = [] }: ProcessContainer): readonly string[] {
  const [name, ...flags] = args
  const command = commands.find((one) => one.name === name)
  if (command === undefined) {
    return [`no command ${name}`]
  }
  const shared = { 'log-format': { type: 'string', summary: '', choices: logFormats } } as const
  const options = { ...command.options, ...shared }
  const wrongFlags = flags.flatMap((flag) => {
    const [, key = '', value] = /^--([a-z-]+)(?:=(.*))?$/.exec(flag) ?? []
    const spec = options[key as keyof typeof options]
    if (spec === undefined) {
      return [`${name}: no flag ${flag}`]
    }
    try {
      resolveOption(key, spec, value ?? true, {})
      return []
    } catch (error) {
      return [String(error)]
    }
  })
  const known = new Set(
    Object.keys(options).map((key) => `LORAPLEX_${key.replaceAll('-', '_').toUpperCase()}`),
  )
  const wrongVariables = env
    .filter((one) => one.name.startsWith('LORAPLEX_') && !known.has(one.name))
    .map((one) => `${name}: nobody reads ${one.name}`)
  const missing = Object.entries(command.options)
    .filter(([, spec]) => spec.type === 'string' && spec.required === true)
    .map(([key]) => key)
    .filter(
      (key) =>
        !flags.some((flag) => flag.startsWith(`--${key}=`)) &&
        !env.some((one) => one.name === `LORAPLEX_${key.replaceAll('-', '_').toUpperCase()}`),
    )
    .map((key) => `${name}: --${key} is missing`)
  return [...wrongFlags, ...wrongVariables, ...missing]
}

function find(objects: readonly KubeObject[], kind: string, name: RegExp): KubeObject {
  const found = objects.find((object) => object.kind === kind && name.test(object.metadata.name))
  if (found === undefined) {
    throw new Error(`no ${kind} ${name}`)
  }
  return found
}

function matches(
  has: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([name, value]) => has[name] === value)
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.name}`
}
