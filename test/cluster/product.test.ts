// From nothing to answers and back, with what users have: Helm, kubectl, the CLI, an SDK.
import { randomBytes } from 'node:crypto'
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
import { anew } from '../support/anew.ts'
import { helm, kubectl, kubectlApply, kubectlGet } from '../support/cluster-tools.ts'
import { hostClaim } from '../support/host-claim.ts'
import { ProductRelease } from '../support/product-release.ts'
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
const adapters = ['acme-tickets', 'globex-shout'] as const
const pool = 'tiny-llama'
const inRelease = `--namespace=${release.namespace}`
// More than all that a test waits for: what it left running when it was out of time would be in its second try's way.
const limits = { timeout: 420_000 }

let manifests: Manifests
let product: ProductRelease
let acme: ProductCaller
let baseUrl = ''
let upgrades = 0

beforeAll(async () => {
  manifests = await Manifests.create()
  const volumes = Object.fromEntries(adapters.map((name) => [name, { configMap: { name } }]))
  product = new ProductRelease({ manifests, image, volumes })
})
afterAll(() => manifests[Symbol.asyncDispose]())
beforeEach(() => onTestFailed(async () => console.log(await describeCluster())))

/** `lpx_<revision12>` of what the object says answers now. */
async function activeFingerprint(adapter: string): Promise<string> {
  const object = await kubectlGet('loraadapter', adapter, '-n', 'acme')
  const active = object.status.revisions.find(({ role }: { role: string }) => role === 'Active')
  return `lpx_${String(active?.revision).slice(0, 12)}_simulated`
}

function enginePods(): Promise<readonly KubeJson[]> {
  return listObjects(
    'pods',
    'models',
    `loraplex.dev/pool=${pool},app.kubernetes.io/component=engine`,
  )
}

describe('the product on a node', limits, () => {
  test('helm install is done when everything serves, and helm test says so', async () => {
    await product.prepare()
    for (const name of adapters) {
      const from = `--from-file=test/fixtures/adapters/${name}`
      const into = ['-n', release.namespace, '--dry-run=client', '-o', 'json']
      const object = await kubectl('create', 'configmap', name, from, ...into)
      await kubectlApply(JSON.parse(object))
    }
    await product.install()
    await helm('test', inRelease, release.name, '--timeout=100s')
    baseUrl = `${await product.url()}/v1`
  })

  test('applied samples become a pool of pods and an adapter that answers', async () => {
    await manifests.applySample('simulator/pool.yaml', (object) => {
      if (object.kind === 'ModelPool') {
        object.spec.engine.image = image
        object.spec.lora.sources.push(
          { uriPrefix: 'pvc://weights/adapters/' },
          { uriPrefix: 'pvc://absent/' },
        )
      }
    })
    await manifests.applySample('simulator/tenant.yaml')
    await kubectl('wait', '-n', 'models', `lpp/${pool}`, '--for=condition=Ready', '--timeout=120s')
    await kubectl('wait', '-n', 'acme', 'lora/tickets', '--for=condition=Ready', '--timeout=60s')
    const key = await loraplex('keys', 'create', anew('ci'), '-n', 'acme')
    acme = new ProductCaller(baseUrl, /lpx_\S+/.exec(key)?.[0] ?? '')
    await eventually(async () => {
      const answer = await acme.ask('tickets')
      expect(answer.fingerprint).toBe(await activeFingerprint('tickets'))
    }, 60_000)
    expect(await acme.models()).toEqual(['tickets'])
  })

  test('a stranger’s key opens nothing', async () => {
    const stranger = new ProductCaller(baseUrl, `lpx_x_${randomBytes(32).toString('base64url')}`)
    await expect(stranger.ask('tickets')).rejects.toMatchObject({ status: 401 })
  })

  test('an edited adapter answers with its new content', async () => {
    await kubectl('wait', '-n', 'acme', 'lora/tickets', '--for=condition=Ready', '--timeout=60s')
    const before = await activeFingerprint('tickets')
    const [pod] = await enginePods()
    const { source } = (await kubectlGet('lora', 'tickets', '-n', 'acme')).spec
    const other = adapters.find((name) => !source.uri.endsWith(name))
    const patch = JSON.stringify({ spec: { source: { uri: `file:///adapters/${other}` } } })
    await kubectl('patch', '-n', 'acme', 'lora/tickets', '--type=merge', '-p', patch)
    await eventually(async () => {
      const answer = await acme.ask('tickets')
      expect(answer.fingerprint).not.toBe(before)
      expect(answer.fingerprint).toBe(await activeFingerprint('tickets'))
    })
    await kubectl('wait', '-n', 'acme', 'lora/tickets', '--for=condition=Ready', '--timeout=60s')
    // Adapters never roll a pod.
    expect((await enginePods()).map((one) => one.metadata.uid)).toEqual([pod.metadata.uid])
  })

  test('an adapter on a claim of the pool’s namespace answers; one whose claim is not there says so', async () => {
    const onClaim = (name: string, uri: string) => ({
      apiVersion: 'loraplex.dev/v1alpha1',
      kind: 'LoraAdapter',
      metadata: { name, namespace: 'acme' },
      spec: { poolRefs: [{ namespace: 'models', name: pool }], source: { uri } },
    })
    const both = ['-n', 'acme', 'lora/shout', 'lora/lost']
    await kubectl('delete', ...both, '--ignore-not-found')
    await manifests.apply('claims.yaml', [
      ...hostClaim({ namespace: 'models', name: 'weights', path: fixtures }),
      onClaim('shout', 'pvc://weights/adapters/globex-shout'),
      onClaim('lost', 'pvc://absent/lost'),
    ])
    await kubectl('wait', '-n', 'acme', 'lora/shout', '--for=condition=Ready', '--timeout=90s')
    await eventually(async () => {
      expect((await acme.ask('shout')).fingerprint).toBe(await activeFingerprint('shout'))
    })
    await eventually(async () => {
      const { status } = await kubectlGet('lora', 'lost', '-n', 'acme')
      const fetched = status.conditions.find(({ type }: KubeJson) => type === 'Fetched')
      expect(fetched).toMatchObject({ status: 'False', reason: 'ClaimNotMounted' })
      expect(fetched.message).toContain('There is no PersistentVolumeClaim absent')
    })
    const readers = await listObjects('pods', 'models', 'app.kubernetes.io/component=reader')
    const phases = readers.map(({ status }): string => status.phase)
    expect(phases.toSorted((left, right) => left.localeCompare(right))).toEqual([
      'Pending',
      'Running',
    ])
    await kubectl('delete', ...both)
  })

  test('kubectl scale makes a second replica, and going back cuts no stream', async () => {
    await kubectl('scale', '-n', 'models', `lpp/${pool}`, '--replicas=2')
    await eventually(async () => {
      const { status } = await kubectlGet('modelpool', pool, '-n', 'models')
      expect(status.readyReplicas).toBe(2)
    }, 120_000)
    await kubectl('wait', '-n', 'acme', 'lora/tickets', '--for=condition=Ready', '--timeout=60s')
    let started = 0
    const streams = Array.from({ length: 8 }, () => {
      return acme.stream('tickets', 800, () => (started += 1))
    })
    await expect.poll(() => started, { timeout: 30_000 }).toBeGreaterThan(8)
    await kubectl('scale', '-n', 'models', `lpp/${pool}`, '--replicas=1')
    for (const { finish } of await Promise.all(streams)) {
      expect(finish).toBe('length')
    }
    await eventually(async () => expect(await enginePods()).toHaveLength(1), 120_000)
  })

  test('helm upgrade rolls the gateways and cuts no stream, and leaves engines alone', async () => {
    const [engine] = await enginePods()
    let started = 0
    const streams = Array.from({ length: 20 }, () => {
      return acme.stream('tickets', 800, () => (started += 1))
    })
    await expect.poll(() => started, { timeout: 60_000 }).toBeGreaterThan(20)
    upgrades += 1
    // Another value in every attempt: the same again would roll nothing.
    await product.upgrade(`--set=gateway.maxQueueSeconds=${30 + upgrades}`)
    for (const { finish } of await Promise.all(streams)) {
      expect(finish).toBe('length')
    }
    await helm('rollback', inRelease, release.name, '1', '--wait', '--timeout=150s')
    expect((await acme.ask('tickets')).finish).toBe('length')
    expect((await enginePods()).map((one) => one.metadata.uid)).toEqual([engine.metadata.uid])
  })

  test('a revoked key stays revoked when its file is applied again', async () => {
    const name = anew('gitops')
    const printed = await loraplex('keys', 'create', name, '-n', 'acme', '-o', 'yaml')
    const file = await manifests.write('key.yaml', printed.slice(printed.indexOf('apiVersion')))
    await kubectl('apply', '-f', file)
    await loraplex('keys', 'revoke', name, '-n', 'acme')
    await kubectl('apply', '-f', file)
    const { spec } = await kubectlGet('tenantkey', name, '-n', 'acme')
    expect(spec.revoked).toBe(true)
    await expect(
      kubectl(
        'patch',
        '-n',
        'acme',
        `lpk/${name}`,
        '--type=merge',
        '-p',
        '{"spec":{"revoked":false}}',
      ),
    ).rejects.toThrow(/revoked/)
  })

  test('helm uninstall keeps the objects', async () => {
    await product.uninstall()
    expect(await kubectlGet('modelpool', pool, '-n', 'models')).toBeDefined()
  })

  test('a pool that is deleted takes its pods along', async () => {
    const gone = '--ignore-not-found'
    await kubectl('delete', '-n', 'models', `lpp/${pool}`, gone)
    await eventually(async () => expect(await enginePods()).toEqual([]), 120_000)
    await kubectl('delete', 'namespace', 'models', 'acme', '--timeout=120s', gone)
    await kubectl('delete', 'pv', 'models-weights', gone)
  })
})
