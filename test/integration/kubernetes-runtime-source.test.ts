// Resources from a real API server, and statuses back to it.
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LoraAdapterStatus } from '../../src/api/condition.ts'
import type { RequestCount } from '../../src/resources/kubernetes/api-request.ts'
import { createKubeClient } from '../../src/resources/kubernetes/kube-client.ts'
import {
  createKubernetesSource,
  type KubernetesSource,
  type KubernetesSourceOptions,
} from '../../src/resources/kubernetes/kubernetes-source.ts'
import { resourceTypes } from '../../src/resources/kubernetes/resource-types.ts'
import { createTransport } from '../../src/resources/kubernetes/transport.ts'
import type { ResourceUpdate } from '../../src/resources/resource-source.ts'
import { clusterAccessOf } from '../support/cluster-access-of.ts'
import { eventually } from '../support/eventually.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const api = sharedApiServer({ crdPaths: ['manifests/crds'] })
const closing: (() => Promise<void>)[] = []

beforeAll(async () => {
  await api().createNamespace('models', { team: 'platform' })
  await api().createNamespace('acme')
})

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
  for (const { plural } of Object.values(resourceTypes)) {
    for (const namespace of plural === 'modeltenants'
      ? ['']
      : ['namespaces/models/', 'namespaces/acme/']) {
      await api().ask('DELETE', `${root}/${namespace}${plural}`)
    }
  }
})

const root = '/apis/loraplex.dev/v1alpha1'
const adapters = `${root}/namespaces/acme/loraadapters`

function adapter(name: string, spec: object = {}) {
  return {
    apiVersion: 'loraplex.dev/v1alpha1',
    kind: 'LoraAdapter',
    metadata: { name, namespace: 'acme' },
    spec: {
      poolRefs: [{ name: 'llama', namespace: 'models' }],
      source: { uri: 'file:///adapters/x' },
      ...spec,
    },
  }
}

const pool = {
  apiVersion: 'loraplex.dev/v1alpha1',
  kind: 'ModelPool',
  metadata: { name: 'llama', namespace: 'models' },
  spec: { model: { uri: 'file:///models/llama' }, engine: { image: 'loraplex:test' } },
}

async function create(object: {
  readonly kind: string
  readonly metadata: { readonly namespace?: string }
}) {
  const { plural } = resourceTypes[object.kind as keyof typeof resourceTypes]
  const { namespace } = object.metadata
  const path =
    namespace === undefined ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`
  const answer = await api().ask('POST', path, object)
  expect(answer.status, JSON.stringify(answer.body)).toBe(201)
}

async function startSource({
  mayWrite = () => true,
  isReadOnly = false,
  ...options
}: Partial<KubernetesSourceOptions> & {
  readonly mayWrite?: () => boolean
  readonly isReadOnly?: boolean
} = {}) {
  const counts: RequestCount[] = []
  const transport = createTransport(clusterAccessOf(api().admin), {
    onRequest: (count) => counts.push(count),
  })
  const source = createKubernetesSource({
    transport,
    ...(isReadOnly
      ? {}
      : { writer: { client: createKubeClient({ transport, mayWrite }), mayWrite } }),
    ...options,
  })
  closing.push(
    () => transport.close(),
    () => source.close(),
  )
  const updates: ResourceUpdate[] = []
  await source.start(new AbortController().signal)
  source.watch((update) => updates.push(update))
  const writes = () => counts.filter(({ verb }) => verb === 'apply').length
  return { source, updates, writes }
}

function status(message: string): LoraAdapterStatus {
  return {
    observedGeneration: 1,
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Ready',
        message,
        observedGeneration: 1,
        lastTransitionTime: '2026-01-01T00:00:00.000Z',
      },
    ],
    revisions: [],
    copies: { routable: 1, wanted: 1 },
  }
}

function adapterOf(source: KubernetesSource, key = 'acme/tickets') {
  return source.current().snapshot.adapters.get(key)
}

async function statusOnServer(name = 'tickets') {
  return (await api().ask('GET', `${adapters}/${name}`)).body.status
}

describe('resources of a cluster', () => {
  it('are what the API server has, with defaults filled in', async () => {
    await create(pool)
    await create(adapter('tickets'))
    await create({
      apiVersion: 'loraplex.dev/v1alpha1',
      kind: 'ModelTenant',
      metadata: { name: 'acme' },
      spec: {},
    } as never)
    const { source } = await startSource()
    const { snapshot, problems } = source.current()
    expect(problems).toEqual([])
    expect([...snapshot.pools.keys()]).toEqual(['models/llama'])
    expect([...snapshot.tenants.keys()]).toEqual(['acme'])
    expect(snapshot.namespaces.get('models')).toMatchObject({
      name: 'models',
      labels: { team: 'platform' },
    })
    expect(snapshot.secrets.size).toBe(0)
    const { metadata, spec } = adapterOf(source) ?? {}
    expect(metadata).toMatchObject({ name: 'tickets', namespace: 'acme', generation: 1 })
    expect(metadata?.uid).toMatch(/^[0-9a-f-]{36}$/)
    expect(Date.now() - (metadata?.creationTimeMs ?? 0)).toBeLessThan(60_000)
    expect(spec?.residency.minCopies).toBe(1)
    expect(performance.now() - source.heardAtMs).toBeLessThan(10_000)
  })

  it('change with it; what did not change is the same value', async () => {
    await create(pool)
    await create(adapter('tickets'))
    const { source, updates } = await startSource()
    const before = source.current().snapshot
    await api().ask('PATCH', `${adapters}/tickets`, { spec: { suspend: true } })
    await eventually(() => adapterOf(source)?.spec.suspend).toBe(true)
    expect(adapterOf(source)?.metadata.generation).toBe(2)
    expect(source.current().snapshot.pools).toBe(before.pools)
    expect(updates).toHaveLength(1)
    await api().ask('DELETE', `${adapters}/tickets`)
    await eventually(() => adapterOf(source)).toBeUndefined()
  })

  it('come in one update for a burst', async () => {
    const { source, updates } = await startSource({ quietMs: 500 })
    await Promise.all(Array.from({ length: 40 }, (_, index) => create(adapter(`a${index}`))))
    await eventually(() => source.current().snapshot.adapters.size).toBe(40)
    expect(updates.length).toBeLessThanOrEqual(3)
  })

  it('go at once when they are being deleted, whatever finalizers they have', async () => {
    const finalized = adapter('tickets')
    await create({
      ...finalized,
      metadata: { ...finalized.metadata, finalizers: ['loraplex.dev/test'] },
    } as never)
    const { source } = await startSource()
    await api().ask('DELETE', `${adapters}/tickets`)
    await eventually(() => adapterOf(source)).toBeUndefined()
    expect(
      source.objects('LoraAdapter').get('acme/tickets')?.metadata.deletionTimestamp,
    ).toBeDefined()
    await api().ask('PATCH', `${adapters}/tickets`, { metadata: { finalizers: null } })
    await eventually(() => source.objects('LoraAdapter').list()).toHaveLength(0)
  })
})

describe('statuses', () => {
  it('are written on the object, once, and are read back by everybody', async () => {
    await create(adapter('tickets'))
    const { source, updates, writes } = await startSource()
    const next = await startSource()
    const { source: gateway } = await startSource({ isReadOnly: true })
    let changes = 0
    gateway.watchStatuses(() => {
      changes += 1
    })
    expect(source.status('LoraAdapter', 'acme/tickets')).toBeUndefined()
    source.writeStatus('LoraAdapter', 'acme/tickets', status('serves'))
    expect(source.status('LoraAdapter', 'acme/tickets')).toEqual(status('serves'))
    await eventually(() => gateway.status('LoraAdapter', 'acme/tickets')).toEqual(status('serves'))
    await eventually(() => changes).toBe(1)
    source.writeStatus('LoraAdapter', 'acme/tickets', status('serves'))
    await eventually(() => next.source.status('LoraAdapter', 'acme/tickets')).toBeDefined()
    gateway.writeStatus('LoraAdapter', 'acme/tickets', status('not for a gateway'))
    next.source.writeStatus('LoraAdapter', 'acme/tickets', status('serves'))
    source.writeStatus('LoraAdapter', 'acme/tickets', status('serves still'))
    await eventually(async () => (await statusOnServer()).conditions[0].message).toBe(
      'serves still',
    )
    await eventually(() => gateway.status('LoraAdapter', 'acme/tickets')).toEqual(
      status('serves still'),
    )
    expect(writes()).toBe(2)
    expect(next.writes()).toBe(0)
    // A status is no change of what somebody wrote.
    expect(updates).toHaveLength(0)
    const { metadata } = (await api().ask('GET', `${adapters}/tickets`)).body
    const managers = metadata.managedFields.map((each: { manager: string }) => each.manager)
    expect(managers).toContain('loraplex-controller')
  })

  it('are the newest where many come at once', async () => {
    await create(adapter('tickets'))
    const { source, writes } = await startSource()
    for (let index = 0; index < 100; index += 1) {
      source.writeStatus('LoraAdapter', 'acme/tickets', status(String(index)))
    }
    await eventually(async () => (await statusOnServer())?.conditions?.[0]?.message).toBe('99')
    expect(writes()).toBeLessThanOrEqual(2)
  })

  it('are written again where somebody else wrote over them', async () => {
    await create(adapter('tickets'))
    const { source } = await startSource()
    source.writeStatus('LoraAdapter', 'acme/tickets', status('ours'))
    await eventually(async () => (await statusOnServer())?.conditions?.[0]?.message).toBe('ours')
    await api().ask('PATCH', `${adapters}/tickets/status`, { status: { ...status('theirs') } })
    await eventually(() =>
      JSON.stringify(source.objects('LoraAdapter').get('acme/tickets')),
    ).toContain('theirs')
    source.writeStatus('LoraAdapter', 'acme/tickets', status('ours'))
    await eventually(async () => (await statusOnServer())?.conditions?.[0]?.message).toBe('ours')
  })

  it('go when they are taken back', async () => {
    await create(adapter('tickets'))
    const { source } = await startSource()
    source.writeStatus('LoraAdapter', 'acme/tickets', status('there'))
    await eventually(async () => (await statusOnServer())?.conditions).toHaveLength(1)
    source.writeStatus('LoraAdapter', 'acme/tickets', undefined)
    await eventually(async () => (await statusOnServer())?.conditions ?? []).toHaveLength(0)
    expect(source.status('LoraAdapter', 'acme/tickets')).toBeUndefined()
  })

  it('are not written by who does not lead, and harm nobody when the object is gone', async () => {
    await create(adapter('tickets'))
    let isLeader = false
    const { source, writes } = await startSource({ mayWrite: () => isLeader })
    source.writeStatus('LoraAdapter', 'acme/tickets', status('not mine'))
    expect(source.status('LoraAdapter', 'acme/tickets')).toBeUndefined()
    isLeader = true
    source.writeStatus('LoraAdapter', 'acme/tickets', status('mine'))
    await eventually(async () => (await statusOnServer())?.conditions?.[0]?.message).toBe('mine')
    expect(writes()).toBe(1)
    await api().ask('DELETE', `${adapters}/tickets`)
    source.writeStatus('LoraAdapter', 'acme/tickets', status('late'))
    await eventually(() => adapterOf(source)).toBeUndefined()
    source.writeStatus('LoraAdapter', 'acme/tickets', status('later'))
    expect(source.status('LoraAdapter', 'acme/tickets')).toBeUndefined()
    // Another object of that name has no status yet.
    await create(adapter('tickets'))
    await eventually(() => adapterOf(source)).toBeDefined()
    expect(source.status('LoraAdapter', 'acme/tickets')).toBeUndefined()
    expect((await statusOnServer())?.conditions ?? []).toHaveLength(0)
  })

  it('arrive before the source is closed', async () => {
    await create(adapter('tickets'))
    const { source } = await startSource()
    source.writeStatus('LoraAdapter', 'acme/tickets', status('last words'))
    await source.close()
    expect((await statusOnServer()).conditions[0].message).toBe('last words')
  })
})

describe('an object that the API server let through', () => {
  it('keeps its last good form and is told as a problem', async () => {
    await withoutRules('loraadapters.loraplex.dev')
    await create(adapter('tickets'))
    const { source, updates } = await startSource()
    const residency = { minCopies: 3, maxCopies: 2 }
    await api().ask('PATCH', `${adapters}/tickets`, { spec: { residency } })
    await create(adapter('never-good', { residency }))
    await eventually(() => source.current().problems).toHaveLength(2)
    const told = source.current().problems.find(({ where }) => where.endsWith('tickets'))
    expect(told).toMatchObject({ where: 'LoraAdapter/acme/tickets', severity: 'Error' })
    expect(told?.message).toContain('spec.residency.maxCopies')
    expect(adapterOf(source)?.spec.residency.minCopies).toBe(1)
    expect(adapterOf(source, 'acme/never-good')).toBeUndefined()
    // The controller says so on the object.
    source.writeStatus('LoraAdapter', 'acme/never-good', status('no good'))
    await eventually(
      async () => (await statusOnServer('never-good'))?.conditions?.[0]?.message,
    ).toBe('no good')
    const count = updates.length
    await api().ask('PATCH', `${adapters}/tickets`, { spec: { residency: { minCopies: 2 } } })
    await eventually(() => adapterOf(source)?.spec.residency.minCopies).toBe(2)
    expect(updates.length).toBe(count + 1)
  })
})

/** As under a CRD of another version, which knew fewer rules. */
async function withoutRules(crd: string): Promise<void> {
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd}`
  const { body } = await api().ask('GET', path)
  const bare = JSON.parse(
    JSON.stringify(body, (name, value) =>
      name === 'x-kubernetes-validations' ? undefined : value,
    ),
  )
  expect((await api().ask('PUT', path, bare)).status).toBe(200)
  // The server takes a new schema up after a moment.
  await eventually(async () => {
    const probe = adapter('probe', { residency: { minCopies: 3, maxCopies: 2 } })
    return (await api().ask('POST', `${adapters}?dryRun=All`, probe)).status
  }).toBe(201)
}
