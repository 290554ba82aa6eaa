// The product on a node with a real vLLM in its pods: what the simulator stands in for elsewhere.
import process from 'node:process'
import { request } from 'undici'
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  onTestFailed,
  test,
} from 'vitest'
import { engineNameOf, fingerprintOf } from '../../src/api/names.ts'
import { helm, kubectl, kubectlGet, restrictedNamespace } from '../support/cluster-tools.ts'
import { score } from '../support/evaluation.ts'
import { hostClaim } from '../support/host-claim.ts'
import { hostVllm } from '../support/host-vllm.ts'
import {
  describeCluster,
  eventually,
  listObjects,
  loraplex,
  Manifests,
  ProductCaller,
  release,
  type KubeJson,
} from '../support/product.ts'
import { fixtures } from '../support/service.ts'

const { image } = inject('cluster')
const [repository = '', tag = ''] = image.split(':')
const pool = 'tiny-llama'
const rows = process.env['LORAPLEX_TEST_VLLM'] === 'short' ? 12 : 40
const apiVersion = 'loraplex.dev/v1alpha1'

const good = [
  { tenant: 'acme', model: 'tickets', fixture: 'acme-tickets' },
  { tenant: 'globex', model: 'shout', fixture: 'globex-shout' },
  { tenant: 'initech', model: 'initials', fixture: 'initech-initials' },
] as const

let manifests: Manifests
let url = ''
const keys = new Map<string, string>()
const hits = new Map<string, number>()

beforeAll(async () => {
  manifests = await Manifests.create()
})
afterAll(() => manifests[Symbol.asyncDispose]())
beforeEach(() => onTestFailed(async () => console.log(await describeCluster())))

function adapter(namespace: string, name: string, folder: string): object {
  return {
    apiVersion,
    kind: 'LoraAdapter',
    metadata: { name, namespace },
    spec: {
      poolRefs: [{ namespace: 'models', name: pool }],
      source: { uri: `pvc://fixtures/${folder}` },
    },
  }
}

async function poolObjects(): Promise<readonly object[]> {
  const vllm = await hostVllm('models')
  return [
    restrictedNamespace('models'),
    ...vllm.claims,
    ...hostClaim({ namespace: 'models', name: 'fixtures', path: fixtures }),
    {
      apiVersion,
      kind: 'ModelPool',
      metadata: { name: pool, namespace: 'models' },
      spec: {
        model: { uri: 'pvc://fixtures/tiny-llama' },
        engine: { image, args: ['--enforce-eager'], startupTimeoutSeconds: 240 },
        lora: {
          maxLoras: 4,
          maxCpuLoras: 64,
          maxRank: 64,
          sources: [{ uriPrefix: 'pvc://fixtures/' }],
        },
        resources: { requests: { cpu: '100m', memory: '2Gi' } },
        podTemplate: vllm.podTemplate,
        allowedNamespaces: { from: 'All' },
      },
    },
  ]
}

function tenantObjects(tenant: string): readonly object[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: tenant } },
    { apiVersion, kind: 'ModelTenant', metadata: { name: tenant }, spec: {} },
  ]
}

function until(what: string, name: string, namespace: string, seconds: number): Promise<string> {
  const limit = `--timeout=${seconds}s`
  return kubectl('wait', '-n', namespace, `${what}/${name}`, '--for=condition=Ready', limit)
}

async function untilAllReady(seconds: number): Promise<void> {
  await Promise.all(good.map(({ tenant, model }) => until('lora', model, tenant, seconds)))
}

async function activeRevision(tenant: string, model: string): Promise<string> {
  const { status } = await kubectlGet('lora', model, '-n', tenant)
  const active = status.revisions.find(({ role }: KubeJson) => role === 'Active')
  return String(active?.revision)
}

/** Those that are not on their way out. */
async function enginePods(): Promise<readonly KubeJson[]> {
  const pods = await listObjects(
    'pods',
    'models',
    `loraplex.dev/pool=${pool},app.kubernetes.io/component=engine`,
  )
  return pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
}

/** The pod's vLLM itself, past the gateway. */
async function engine(): Promise<{ readonly url: string; readonly key: string }> {
  const [pod] = await enginePods()
  const revision = pod.metadata.labels['loraplex.dev/pool-revision']
  const { data } = await kubectlGet('secret', `${pool}-${revision}`, '-n', 'models')
  const key = Buffer.from(data['engine-key'], 'base64').toString()
  return { url: `http://${pod.status.podIP}:8000`, key }
}

function scoreThroughGateway({ tenant, model, fixture }: (typeof good)[number]): Promise<number> {
  return score({ url, key: keys.get(tenant) ?? '', model }, fixture, rows)
}

function caller(tenant: string): ProductCaller {
  return new ProductCaller(`${url}/v1`, keys.get(tenant) ?? '')
}

/** Every adapter answers as itself, and as well as it did at first. */
async function expectUnmoved(): Promise<void> {
  for (const one of good) {
    const { fingerprint } = await caller(one.tenant).ask(one.model)
    expect(fingerprint).toBe(fingerprintOf(await activeRevision(one.tenant, one.model), false))
    const now = await scoreThroughGateway(one)
    expect(Math.abs(now - (hits.get(one.fixture) ?? 0))).toBeLessThanOrEqual(1)
  }
}

/** All frames of a stream that goes on to `tokens`. */
async function longStream(tenant: string, model: string, tokens: number, onStart: () => void) {
  const answer = await request(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${keys.get(tenant) ?? ''}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      model,
      stream: true,
      ignore_eos: true,
      max_tokens: tokens,
      messages: [{ role: 'user', content: 'tell me a long story' }],
    }),
  })
  let text = ''
  for await (const chunk of answer.body) {
    if (text === '') {
      onStart()
    }
    text += String(chunk)
  }
  return text
}

describe('a real vLLM in a pod', () => {
  test('helm install and a pool: its engine comes up in a restricted pod', async () => {
    await manifests.apply('release.yaml', [restrictedNamespace(release.namespace)])
    const values = await manifests.write(
      'values.json',
      JSON.stringify({
        image: { repository, tag, pullPolicy: 'Never' },
        gateway: { resources: { requests: { cpu: '50m' } } },
        depot: { resources: { requests: { memory: '512Mi' } } },
      }),
    )
    const inRelease = `--namespace=${release.namespace}`
    const chart = [release.name, 'charts/loraplex', `--values=${values}`]
    await helm('install', inRelease, ...chart, '--wait', '--timeout=150s')
    const service = await kubectlGet('service', 'loraplex-gateway', '-n', release.namespace)
    url = `http://${service.spec.clusterIP}:${service.spec.ports[0].port}`

    const startedAt = performance.now()
    await manifests.apply('pool.yaml', await poolObjects())
    await until('lpp', pool, 'models', 270)
    console.log(`pool ready ${seconds(startedAt)} s after kubectl apply`)
  })

  test('adapters from a claim answer as their engine does', async () => {
    for (const { tenant, model, fixture } of good) {
      await manifests.apply(`${tenant}.yaml`, [
        ...tenantObjects(tenant),
        adapter(tenant, model, `adapters/${fixture}`),
      ])
      const printed = await loraplex('keys', 'create', 'ci', '-n', tenant)
      keys.set(tenant, /lpx_\S+/.exec(printed)?.[0] ?? '')
    }
    await untilAllReady(60)
    for (const one of good) {
      const { tenant, model, fixture } = one
      const revision = await activeRevision(tenant, model)
      await eventually(async () => {
        const { fingerprint } = await caller(tenant).ask(model)
        expect(fingerprint).toBe(fingerprintOf(revision, false))
      }, 10_000)
      const through = await scoreThroughGateway(one)
      const place = { ...(await engine()), model: engineNameOf(revision) }
      const direct = await score(place, fixture, rows)
      console.log(`${fixture}: ${through}/${rows} through the gateway, ${direct}/${rows} directly`)
      hits.set(fixture, through)
      // The base alone gets none right.
      expect(direct).toBeGreaterThan(rows / 3)
      expect(Math.abs(through - direct)).toBeLessThanOrEqual(1)
    }
  })

  test('weights that are no numbers are refused before the engine hears of them', async () => {
    await manifests.apply('broken.yaml', [
      adapter('acme', 'broken', 'adapters-broken/not-a-number'),
    ])
    await eventually(async () => {
      const { status } = await kubectlGet('lora', 'broken', '-n', 'acme')
      const ready = status?.conditions?.find(({ type }: KubeJson) => type === 'Ready')
      expect(ready).toMatchObject({ status: 'False', reason: 'NonFiniteWeights' })
    }, 30_000)
    await expect(caller('acme').ask('broken')).rejects.toMatchObject({ status: 424 })
    const place = await engine()
    const answer = await request(`${place.url}/v1/models`, {
      headers: { authorization: `Bearer ${place.key}` },
    })
    const { data } = (await answer.body.json()) as KubeJson
    expect(data.filter(({ parent }: KubeJson) => parent !== null)).toHaveLength(good.length)
    await expectUnmoved()
  })

  test('an engine that crashes is started again in its pod, with its adapters', async () => {
    const [pod] = await enginePods()
    const startedAt = performance.now()
    // Everything but the container's first process, which sees its engine gone and ends.
    const killAll = ['sh', '-c', 'kill -9 -1']
    await kubectl('exec', '-n', 'models', pod.metadata.name, '-c', 'vllm', '--', ...killAll).catch(
      () => 'the shell kills itself too',
    )
    await eventually(async () => {
      const { status } = await kubectlGet('pod', pod.metadata.name, '-n', 'models')
      const [container] = status.containerStatuses
      expect(container).toMatchObject({ restartCount: 1, ready: true })
      const ready = status.conditions.find(({ type }: KubeJson) => type === 'Ready')
      expect(ready.status).toBe('True')
    }, 200_000)
    console.log(`engine back ${seconds(startedAt)} s after it was killed`)
    await untilAllReady(30)
    await eventually(async () => void (await caller('acme').ask('tickets')), 10_000)
    await expectUnmoved()
    expect((await enginePods()).map(({ metadata }) => metadata.uid)).toEqual([pod.metadata.uid])
  })

  test('a pod that is deleted ends its streams first, and another takes its place', async () => {
    const [pod] = await enginePods()
    let started = 0
    let ended = 0
    const startedAt = performance.now()
    const streams = good.map(async ({ tenant, model }) => {
      const text = await longStream(tenant, model, 600, () => (started += 1))
      ended += 1
      return text
    })
    await expect.poll(() => started, { timeout: 30_000 }).toBe(streams.length)
    await kubectl('delete', 'pod', pod.metadata.name, '-n', 'models', '--wait=false')
    expect(ended).toBe(0)
    for (const text of await Promise.all(streams)) {
      expect(text).toContain('"finish_reason":"length"')
      expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
    }
    console.log(`streams of a pod that was deleted ended ${seconds(startedAt)} s after their start`)
    await kubectl(
      'wait',
      '-n',
      'models',
      `pod/${pod.metadata.name}`,
      '--for=delete',
      '--timeout=120s',
    )
    await eventually(async () => {
      const [next] = await enginePods()
      const ready = next?.status.conditions?.find(({ type }: KubeJson) => type === 'Ready')
      expect(ready?.status).toBe('True')
    }, 150_000)
    await untilAllReady(30)
    await expectUnmoved()
  })
})

function seconds(startedAt: number): string {
  return ((performance.now() - startedAt) / 1000).toFixed(0)
}
