// The processes themselves, with no more rights than the chart gives their service accounts.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { request } from 'undici'
import { installationSecretName } from '../../src/api/cluster-names.ts'
import { createAdminAuth } from '../../src/cluster/create-admin-auth.ts'
import { GatewayProcess } from '../../src/cluster/gateway-process.ts'
import { createSecretReader } from '../../src/cluster/secret-reader.ts'
import { createKubeClient } from '../../src/resources/kubernetes/kube-client.ts'
import { createTransport } from '../../src/resources/kubernetes/transport.ts'
import { anew } from '../support/anew.ts'
import type { ApiAccess } from '../support/api-server.ts'
import { renderChart } from '../support/chart.ts'
import { clusterAccessOf } from '../support/cluster-access-of.ts'
import { ControllerBed } from '../support/controller-bed.ts'
import { crdFolder } from '../support/crd-server.ts'
import { apply } from '../support/dry-run.ts'
import { eventually } from '../support/eventually.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'
import { startDepot } from '../support/start-depot.ts'

const api = sharedApiServer({ crdPaths: [crdFolder] })
let bed: ControllerBed

beforeEach(async () => {
  bed = await ControllerBed.create(api())
  const wanted = ['ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding']
  const metrics = { readers: [{ name: 'prometheus', namespace: 'monitoring' }] }
  const objects = renderChart({ metrics }, bed.release)
  for (const object of objects.filter(({ kind }) => wanted.includes(kind))) {
    const { status, body } = await apply(api(), object)
    expect(status, JSON.stringify(body)).toBeLessThan(300)
  }
})

afterEach(async () => {
  await bed[Symbol.asyncDispose]()
})

test('the controller makes, scales, rolls and tells, and is refused nothing', async () => {
  const [models, llama] = [anew('models'), anew('llama')]
  await bed.put(`/api/v1/namespaces/${bed.release}/secrets`, {
    metadata: { name: installationSecretName },
    data: { secret: bed.secret.toString('base64') },
  })
  const access = clusterAccessOf(await accountOf('controller'))
  const controller = await bed.controller({
    access,
    secretFile: `${bed.secretFile}.absent`,
    readerTiming: { patienceMs: 100, idleMs: 300, sweepMs: 100 },
  })
  await bed.pool(models, llama, { replicas: 1 })
  const settled = async (replicas: number): Promise<boolean> => {
    const status = await bed.poolStatus(models, llama)
    return (
      (await bed.readyOf('modelpools', models, llama)) === 'True Ready' &&
      status.replicas === replicas &&
      status.updatedReplicas === replicas &&
      bed.node.of(llama).length === replicas
    )
  }
  await eventually(() => settled(1)).toBe(true)
  await bed.patchPool(models, llama, { replicas: 2 })
  await eventually(() => settled(2)).toBe(true)
  await bed.patchPool(models, llama, { replicas: 1 })
  await eventually(() => settled(1)).toBe(true)
  const secrets = async (): Promise<readonly string[]> => {
    const { body } = await api().ask('GET', `/api/v1/namespaces/${models}/secrets`)
    return body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)
  }
  const [before] = await secrets()
  await bed.patchPool(models, llama, { engine: { image: 'vllm/vllm-openai:v0.33.0' } })
  await eventually(async () => {
    const names = await secrets()
    return names.length === 1 && names[0] !== before
  }).toBe(true)
  await eventually(async () => {
    const { body } = await api().ask('GET', `/apis/events.k8s.io/v1/namespaces/${models}/events`)
    return body.items.length > 0
  }).toBe(true)
  // What reads a claim comes, and goes when nobody waits for it.
  const readers = async (): Promise<number> => {
    const selector = 'labelSelector=app.kubernetes.io/component=reader'
    const path = `/apis/apps/v1/namespaces/${models}/deployments?${selector}`
    return (await api().ask('GET', path)).body.items.length
  }
  await bed.adapter(models, 'on-claim', `${models}/${llama}`, {
    source: { uri: 'pvc://weights/a' },
  })
  await eventually(readers).toBe(1)
  await eventually(readers).toBe(0)
  expect(await refusedRequests(controller.adminUrl)).toEqual([])
  // The next one finds everything made, which is another way through than making it.
  await controller.close()
  const next = await bed.controller({ access, secretFile: `${bed.secretFile}.absent` })
  await bed.patchPool(models, llama, { replicas: 2 })
  await eventually(() => settled(2)).toBe(true)
  await bed.patchPool(models, llama, { replicas: 1 })
  await eventually(() => settled(1)).toBe(true)
  expect(await refusedRequests(next.adminUrl)).toEqual([])
})

test('two controllers make one secret, and either reads it', async () => {
  const access = clusterAccessOf(await accountOf('controller'))
  const options = { access, secretFile: `${bed.secretFile}.absent` }
  const controllers = await Promise.all([bed.controller(options), bed.controller(options)])
  const path = `/api/v1/namespaces/${bed.release}/secrets/${installationSecretName}`
  const { body } = await api().ask('GET', path)
  expect(Buffer.from(body.data.secret, 'base64')).toHaveLength(32)
  await eventually(() => controllers.filter(({ isLeading }) => isLeading).length).toBe(1)
})

test.each(['controller', 'gateway', 'depot'] as const)(
  'the %s shows its metrics to whom the cluster trusts',
  async (component) => {
    const process = await started[component]()
    try {
      const { adminUrl } = process
      const prometheus = await api().serviceAccount('monitoring', 'prometheus')
      const stranger = await api().serviceAccount('monitoring', 'stranger')
      for (const path of ['/metrics', '/debug/state']) {
        expect(await statusOf(`${adminUrl}${path}`)).toBe(401)
        expect(await statusOf(`${adminUrl}${path}`, 'nobodys-token')).toBe(401)
        expect(await statusOf(`${adminUrl}${path}`, stranger.token)).toBe(403)
      }
      expect(await statusOf(`${adminUrl}/metrics`, prometheus.token)).toBe(200)
      expect(await statusOf(`${adminUrl}/debug/state`, prometheus.token)).toBe(403)
      // The depot keeps no count.
      if (component !== 'depot') {
        expect(await refusedRequests(adminUrl, prometheus)).toEqual([])
      }
      // The kubelet shows nothing.
      expect(await statusOf(`${adminUrl}/healthz`)).toBe(200)
      expect(await statusOf(`${adminUrl}/readyz`)).toBeOneOf([200, 503])
    } finally {
      await process.close()
    }
  },
)

test('the depot reads the one Secret that a source names', async () => {
  await api().createNamespace('acme')
  await bed.put('/api/v1/namespaces/acme/secrets', {
    metadata: { name: `store-${bed.release}` },
    type: 'loraplex.dev/source',
    stringData: { authorization: 'Bearer x' },
  })
  const transport = createTransport(clusterAccessOf(await accountOf('depot')))
  try {
    const read = createSecretReader(createKubeClient({ transport }))
    const signal = AbortSignal.timeout(10_000)
    const secret = await read('acme', `store-${bed.release}`, signal)
    expect(secret).toMatchObject({ type: 'loraplex.dev/source' })
    expect(await read('acme', 'nobody', signal)).toBeUndefined()
  } finally {
    await transport.close()
  }
})

function accountOf(component: string): Promise<ApiAccess> {
  return api().serviceAccount(bed.release, `loraplex-${component}`)
}

interface Started {
  readonly adminUrl: string
  close(): Promise<unknown>
}

/** Each with its own account, and the chart's way to ask who comes. */
const started: Readonly<Record<'controller' | 'gateway' | 'depot', () => Promise<Started>>> = {
  controller: async () => {
    const access = clusterAccessOf(await accountOf('controller'))
    return bed.controller({ access, adminAuth: { kind: 'Kubernetes' } })
  },
  gateway: async () => {
    const gateway = await GatewayProcess.start(
      {
        access: clusterAccessOf(await accountOf('gateway')),
        secretFile: bed.secretFile,
        host: '127.0.0.1',
        ports: { http: 0, admin: 0, internal: 0 },
        unknownFields: 'Drop',
        maxQueueMs: 1000,
        maxColdStartMs: 0,
        maxConfigAgeMs: 60_000,
        adminAuth: { kind: 'Kubernetes' },
        logger: bed.options().logger,
      },
      new AbortController().signal,
    )
    return { adminUrl: gateway.adminUrl, close: () => gateway.stop(0, 0, AbortSignal.abort()) }
  },
  depot: async () => {
    const transport = createTransport(clusterAccessOf(await accountOf('depot')))
    const folder = await mkdtemp(join(tmpdir(), 'loraplex-depot-rbac-'))
    const depot = await startDepot({
      cacheFolder: folder,
      secretFile: bed.secretFile,
      sources: { readSecret: createSecretReader(createKubeClient({ transport })) },
      adminAuth: await createAdminAuth({ kind: 'Kubernetes' }, transport),
    })
    const close = async (): Promise<void> => {
      await depot.close()
      await transport.close()
      await rm(folder, { recursive: true })
    }
    return { adminUrl: depot.adminUrl, close }
  },
}

async function statusOf(url: string, token?: string): Promise<number> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const { statusCode, body } = await request(url, { headers })
  await body.dump()
  return statusCode
}

/** What the process asked the API server and was refused, as its own metrics tell. */
async function refusedRequests(adminUrl: string, as?: ApiAccess): Promise<readonly string[]> {
  const { body } = await request(`${adminUrl}/metrics`, {
    headers: as?.token === undefined ? {} : { authorization: `Bearer ${as.token}` },
  })
  const lines = (await body.text()).split('\n')
  const asked = lines.filter((line) => line.startsWith('loraplex_kubernetes_requests_total'))
  expect(asked.length).toBeGreaterThan(3)
  return asked.filter((line) => line.includes('code="403"'))
}
