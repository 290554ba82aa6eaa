import { describe, expect, test } from 'vitest'
import { aPool } from '../../test/support/builders.ts'
import type { ModelPool } from '../api/model-pool.ts'
import { ignoredTemplateFields } from './ignored-template-fields.ts'
import { poolRevisionOf, secretFingerprintIn, servedModelNameOfPool } from './pool-revision.ts'
import type { JsonMap, WorkloadInput } from './workload-input.ts'
import { planWorkload } from './workload.ts'

const base = aPool('llama')
  .in('models')
  .with({
    model: { uri: 'hf://meta-llama/Llama-3.1-8B@main' },
    engine: { image: 'vllm/vllm-openai:v0.32.0' },
  })

function inputOf(pool: ModelPool, more: Partial<WorkloadInput> = {}): WorkloadInput {
  return {
    pool,
    settings: {
      image: 'loraplex:1',
      imagePullPolicy: 'IfNotPresent',
      imagePullSecrets: [],
      releaseNamespace: 'loraplex',
      depotUrl: 'http://depot:8200',
      agentResources: {},
      runAsUser: 65_532,
    },
    launch: { args: ['serve', '/loraplex/model'], env: { HF_HUB_OFFLINE: '1' } },
    tokens: {
      engineKey: 'engine',
      agentToken: 'agent',
      depotToken: 'depot',
      preStopPath: '/prestop/word',
    },
    poolRevision: poolRevisionOf(pool, 'abc123'),
    servedModelName: servedModelNameOfPool(pool),
    ...more,
  }
}

// Tests read deep into plain JSON.
// oxlint-disable-next-line typescript/no-explicit-any
type Deep = any

const templateOf = (pool: ModelPool): Deep => planWorkload(inputOf(pool)).podTemplate
const containerOf = (template: Deep, name: string): Deep =>
  [...template.spec.initContainers, ...template.spec.containers].find(
    (container: JsonMap) => container['name'] === name,
  )
const envOf = (container: Deep): Record<string, string> =>
  Object.fromEntries(container.env.map((one: Deep) => [one.name, one.value ?? 'from elsewhere']))

describe('the pods of a pool', () => {
  test('run as nobody, without rights, on a read-only root', () => {
    const { spec } = templateOf(base.build())
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    })
    for (const container of [...spec.initContainers, ...spec.containers]) {
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        capabilities: { drop: ['ALL'] },
      })
    }
  })

  test('fetch the hub’s model, then start the agent, then the engine', () => {
    const { spec } = templateOf(base.build())
    expect(spec.initContainers.map(({ name }: Deep) => name)).toEqual(['model', 'agent'])
    expect(containerOf({ spec }, 'agent')).toMatchObject({ restartPolicy: 'Always' })
    expect(spec.containers.map(({ name }: Deep) => name)).toEqual(['vllm'])
  })

  test('outlive their longest stream', () => {
    const { spec } = templateOf(base.with({ maxStreamSeconds: 7200 }).build())
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(7200)
    expect(containerOf({ spec }, 'vllm').lifecycle.preStop.httpGet).toEqual({
      path: '/prestop/word',
      port: 8100,
    })
  })

  test('do not tell an agent to end before it listens', () => {
    const { lifecycle } = containerOf(templateOf(base.build()), 'agent')
    expect(lifecycle.preStop.exec.command).toEqual(['node', '-e', ''])
  })

  test('have as long to start as the pool says', () => {
    const pool = base.with({
      engine: { image: 'vllm', startupTimeoutSeconds: 100 },
    })
    const { failureThreshold, periodSeconds } = containerOf(
      templateOf(pool.build()),
      'vllm',
    ).startupProbe
    expect(failureThreshold * periodSeconds).toBe(100)
  })

  test('hold no secret in plain text', () => {
    const text = JSON.stringify(templateOf(base.build()))
    expect(text).toContain('secretKeyRef')
    expect(text).not.toMatch(/"value":"(engine|agent|depot)"/)
  })

  test.each([
    ['pvc://weights/llama', '/loraplex/model', ['agent']],
    ['file:///models/llama', undefined, ['agent']],
  ])('use %s where it is', (uri, mounted, inits) => {
    const template = templateOf(base.with({ model: { uri } }).build())
    const mounts = containerOf(template, 'vllm').volumeMounts.map((one: Deep) => one.mountPath)
    expect(mounts.includes('/loraplex/model')).toBe(mounted !== undefined)
    expect(template.spec.initContainers.map(({ name }: Deep) => name)).toEqual(inits)
  })

  test('copy it where there is a cache for it', () => {
    const model = { uri: 'pvc://weights/llama', cache: { emptyDir: { sizeLimit: '20Gi' } } }
    const template = templateOf(base.with({ model }).build())
    expect(template.spec.initContainers.map(({ name }: Deep) => name)).toEqual(['model', 'agent'])
    expect(template.spec.volumes).toContainEqual({
      name: 'model',
      emptyDir: { sizeLimit: '20Gi' },
    })
  })
})

describe('a pool’s own podTemplate', () => {
  const own = (podTemplate: object): Deep => templateOf(base.with({ podTemplate }).build())

  test('adds containers, volumes, mounts, variables and where to run', () => {
    const template = own({
      metadata: { labels: { team: 'a' } },
      spec: {
        nodeSelector: { gpu: 'h100' },
        tolerations: [{ key: 'gpu', operator: 'Exists' }],
        volumes: [{ name: 'extra', emptyDir: {} }],
        containers: [
          {
            name: 'vllm',
            command: ['/opt/vllm/bin/vllm'],
            env: [{ name: 'VLLM_LOGGING_LEVEL', value: 'DEBUG' }],
            volumeMounts: [{ name: 'extra', mountPath: '/extra' }],
          },
          { name: 'exporter', image: 'exporter' },
        ],
      },
    })
    const vllm = containerOf(template, 'vllm')
    expect(template.metadata.labels).toMatchObject({ team: 'a', 'loraplex.dev/pool': 'llama' })
    expect(template.spec).toMatchObject({
      nodeSelector: { gpu: 'h100' },
      tolerations: [{ key: 'gpu', operator: 'Exists' }],
    })
    expect(vllm.command).toEqual(['/opt/vllm/bin/vllm'])
    expect(envOf(vllm)).toMatchObject({ VLLM_LOGGING_LEVEL: 'DEBUG', HF_HUB_OFFLINE: '1' })
    expect(vllm.volumeMounts.map((one: Deep) => one.mountPath)).toContain('/extra')
    expect(vllm.volumeMounts.map((one: Deep) => one.mountPath)).toContain('/dev/shm')
    expect(containerOf(template, 'exporter')).toMatchObject({ image: 'exporter' })
  })

  test('takes nothing away that others depend on', () => {
    const template = own({
      metadata: { labels: { 'loraplex.dev/pool': 'other' } },
      spec: {
        terminationGracePeriodSeconds: 5,
        activeDeadlineSeconds: 60,
        containers: [
          {
            name: 'vllm',
            image: 'mine',
            args: ['serve', 'mine'],
            lifecycle: {},
            env: [
              { name: 'VLLM_API_KEY', value: 'mine' },
              { name: 'VLLM_SERVER_DEV_MODE', value: '1' },
              { name: 'HF_HUB_OFFLINE', value: '0' },
            ],
          },
        ],
        initContainers: [
          { name: 'agent', image: 'mine' },
          { name: 'first', image: 'first' },
        ],
      },
    })
    const vllm = containerOf(template, 'vllm')
    expect(template.metadata.labels['loraplex.dev/pool']).toBe('llama')
    expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(3600)
    expect(template.spec).not.toHaveProperty('activeDeadlineSeconds')
    expect(vllm).toMatchObject({ image: 'vllm/vllm-openai:v0.32.0' })
    expect(vllm.args).toEqual(['serve', '/loraplex/model'])
    expect(vllm.lifecycle.preStop).toBeDefined()
    expect(envOf(vllm)).toMatchObject({ VLLM_API_KEY: 'from elsewhere', HF_HUB_OFFLINE: '1' })
    expect(envOf(vllm)).not.toHaveProperty('VLLM_SERVER_DEV_MODE')
    expect(containerOf(template, 'agent').image).toBe('loraplex:1')
    // It stays while the engine runs: whatever runs before it must have ended.
    expect(template.spec.initContainers.at(-1).name).toBe('agent')
  })

  test('leaves our containers what they run, what they may, and how they are asked', () => {
    const loose = {
      command: ['sh'],
      args: ['-c', 'true'],
      workingDir: '/tmp',
      securityContext: { privileged: true, runAsNonRoot: false },
      readinessProbe: { exec: { command: ['true'] } },
      livenessProbe: { exec: { command: ['true'] } },
      startupProbe: { exec: { command: ['true'] } },
      ports: [{ containerPort: 8100, name: 'mine' }],
      envFrom: [{ configMapRef: { name: 'mine' } }],
      env: [
        { name: 'LORAPLEX_POD_NAME', value: 'mine' },
        { name: 'HF_HUB_OFFLINE', value: '0' },
      ],
    }
    const plain = templateOf(base.build())
    const template = own({
      spec: {
        initContainers: [
          { name: 'agent', ...loose },
          { name: 'model', ...loose },
        ],
      },
    })
    for (const name of ['agent', 'model']) {
      expect({ ...containerOf(template, name), env: [] }).toEqual({
        ...containerOf(plain, name),
        env: [],
      })
    }
    expect(envOf(containerOf(template, 'agent'))['LORAPLEX_POD_NAME']).toBe('from elsewhere')
    const engine = containerOf(own({ spec: { containers: [{ name: 'vllm', ...loose }] } }), 'vllm')
    const { startupProbe, livenessProbe, ports } = containerOf(plain, 'vllm')
    expect(engine).toMatchObject({ startupProbe, livenessProbe, ports, command: ['sh'] })
    expect(engine).not.toHaveProperty('readinessProbe')
    expect(engine).not.toHaveProperty('envFrom')
  })

  test('reaches the agent among the containers, too, and gives it resources and mounts', () => {
    const resources = { limits: { memory: '2Gi' } }
    const env = [{ name: 'HTTPS_PROXY', value: 'http://proxy' }]
    const volumeMounts = [{ name: 'extra', mountPath: '/extra' }]
    const template = own({
      spec: {
        volumes: [{ name: 'extra', emptyDir: {} }],
        containers: [{ name: 'agent', resources, volumeMounts, env }],
      },
    })
    expect(template.spec.containers.map(({ name }: Deep) => name)).toEqual(['vllm'])
    const agent = containerOf(template, 'agent')
    expect(agent).toMatchObject({ resources, restartPolicy: 'Always' })
    expect(envOf(agent)).toMatchObject({ HTTPS_PROXY: 'http://proxy' })
    expect(agent.volumeMounts).toContainEqual(volumeMounts[0])
  })

  test('gives no pod the right to speak to the API server as its pool', () => {
    const { spec } = own({
      spec: {
        automountServiceAccountToken: true,
        enableServiceLinks: true,
        restartPolicy: 'Never',
      },
    })
    // Variables of Services would read as flags of the agent.
    expect(spec).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false })
    expect(spec).not.toHaveProperty('restartPolicy')
  })

  test('puts another volume in the place of ours, and does not mix the two', () => {
    const volumes = [{ name: 'engine-home', persistentVolumeClaim: { claimName: 'home' } }]
    expect(own({ spec: { volumes } }).spec.volumes).toContainEqual(volumes[0])
  })
})

describe('an engine is restarted', () => {
  const template = templateOf(base.build())
  const { livenessProbe: ofEngine } = containerOf(template, 'vllm')
  const { livenessProbe: ofAgent } = containerOf(template, 'agent')

  test('within a quarter of a minute when its agent says so', () => {
    expect(ofEngine.httpGet.path).toBe('/engine-alive')
    expect(ofEngine.periodSeconds * ofEngine.failureThreshold).toBeLessThanOrEqual(16)
  })

  test('not because its agent crashed, be it twice: the kubelet waits 10 s before the second start', () => {
    const startSeconds = 3
    expect(ofEngine.periodSeconds * (ofEngine.failureThreshold - 1)).toBeGreaterThan(
      10 + startSeconds,
    )
  })

  test('not because its agent hung: that is ended and back before', () => {
    const hungSeconds =
      ofAgent.periodSeconds +
      Math.max(ofAgent.periodSeconds, ofAgent.timeoutSeconds) * ofAgent.failureThreshold +
      ofAgent.terminationGracePeriodSeconds
    const startSeconds = 10
    const failures =
      Math.ceil(hungSeconds / ofEngine.timeoutSeconds) +
      Math.ceil(startSeconds / ofEngine.periodSeconds)
    expect(failures).toBeLessThan(ofEngine.failureThreshold)
  })
})

describe('what of the template has no effect', () => {
  const ignored = (podTemplate: JsonMap): readonly string[] => {
    const pool = base.with({ podTemplate }).build()
    return ignoredTemplateFields(pool, templateOf(pool))
  }

  test('is nothing where the pods are as it says', () => {
    expect(
      ignored({
        metadata: { annotations: { team: 'search' } },
        spec: {
          nodeSelector: { gpu: 'h100' },
          tolerations: [{ key: 'gpu', operator: 'Exists' }],
          terminationGracePeriodSeconds: 100_000,
          volumes: [{ name: 'engine-home', hostPath: { path: '/var/cache' } }],
          containers: [
            { name: 'vllm', env: [{ name: 'A', value: 'b' }], command: ['/opt/vllm'] },
            { name: 'agent', resources: { requests: { cpu: '2' } } },
            { name: 'exporter', image: 'exporter:1', args: ['--all'] },
          ],
        },
      }),
    ).toEqual([])
  })

  test('is named by its path, without what it says', () => {
    expect(
      ignored({
        metadata: { labels: { 'loraplex.dev/pool': 'another' } },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 30,
          containers: [
            {
              name: 'vllm',
              image: 'mine:1',
              args: ['--api-key=secret'],
              livenessProbe: { httpGet: { path: '/x', port: 1 } },
              env: [
                { name: 'VLLM_API_KEY', value: 'mine' },
                { name: 'OMP_NUM_THREADS', value: '4' },
              ],
            },
            { name: 'agent', command: ['sh'] },
          ],
        },
      }),
    ).toEqual([
      'spec.podTemplate.metadata.labels.loraplex.dev/pool',
      'spec.podTemplate.spec.restartPolicy',
      'spec.podTemplate.spec.terminationGracePeriodSeconds',
      'spec.podTemplate.spec.containers[vllm].image',
      'spec.podTemplate.spec.containers[vllm].args',
      'spec.podTemplate.spec.containers[vllm].livenessProbe.httpGet.path',
      'spec.podTemplate.spec.containers[vllm].livenessProbe.httpGet.port',
      'spec.podTemplate.spec.containers[vllm].env[VLLM_API_KEY].value',
      'spec.podTemplate.spec.containers[agent].command',
    ])
  })
})

describe('a pool revision', () => {
  const before = poolRevisionOf(base.build(), 'abc123')
  test.each([
    ['the image', { engine: { image: 'vllm/vllm-openai:v0.33.0' } }, true],
    ['an argument', { engine: { image: 'vllm/vllm-openai:v0.32.0', args: ['--seed=1'] } }, true],
    ['slots', { lora: { maxLoras: 4 } }, true],
    ['what it does', { model: { ...base.build().spec.model, task: 'Embed' } }, true],
    ['a default in words', { model: { ...base.build().spec.model, task: 'Generate' } }, false],
    ['resources', { resources: { limits: { 'nvidia.com/gpu': 2 } } }, true],
    ['the template', { podTemplate: { spec: { nodeSelector: { a: 'b' } } } }, true],
    ['replicas', { replicas: 5 }, false],
    ['scaling', { scaling: { maxReplicas: 5 } }, false],
    ['who may attach', { allowedNamespaces: { from: 'All' } }, false],
    ['sources', { lora: { sources: [{ uriPrefix: 'https://a.example/' }] } }, false],
  ])('changes with %s: %o → %s', (_what, spec, changes) => {
    expect(poolRevisionOf(base.with(spec).build(), 'abc123') !== before).toBe(changes)
  })

  test('changes with the secret of the installation, and says whose it is', () => {
    const other = poolRevisionOf(base.build(), 'def456')
    expect(other).not.toBe(before)
    expect([before, other].map(secretFingerprintIn)).toEqual(['abc123', 'def456'])
  })
})

describe('who may speak to whom', () => {
  const policyOf = (uri: string): Deep =>
    planWorkload(inputOf(base.with({ model: { uri } }).build())).others.find(
      ({ kind }) => kind === 'NetworkPolicy',
    )?.spec

  test('gateways reach engine and agent, the controller the agent, nobody else anything', () => {
    const { ingress } = policyOf('pvc://weights/llama')
    const allowed = ingress.map(({ from, ports }: Deep) => [
      from[0].podSelector.matchLabels['app.kubernetes.io/component'],
      ports.map((port: Deep) => port.port),
    ])
    expect(allowed).toEqual([
      ['gateway', [8000, 8100]],
      ['controller', [8100]],
    ])
  })

  test('monitoring reads the agent’s port where the installation says who that is', () => {
    const input = inputOf(base.build())
    const peer = { namespaceSelector: { matchLabels: { team: 'monitoring' } } }
    const settings = { ...input.settings, monitoringPeers: [peer] }
    const policy: Deep = planWorkload({ ...input, settings }).others.find(
      ({ kind }) => kind === 'NetworkPolicy',
    )
    expect(policy.spec.ingress.at(-1)).toEqual({
      from: [peer],
      ports: [{ protocol: 'TCP', port: 8100 }],
    })
  })

  test('only a pool that fetches from the hub reaches the world, and no private address', () => {
    const world = (uri: string): Deep =>
      policyOf(uri).egress.find(({ to }: Deep) => to?.[0]?.ipBlock !== undefined)
    expect(world('pvc://weights/llama')).toBeUndefined()
    const { to, ports } = world('hf://meta-llama/Llama-3.1-8B@main')
    expect(to[0].ipBlock.except).toContain('10.0.0.0/8')
    expect(ports).toEqual([{ protocol: 'TCP', port: 443 }])
  })
})
