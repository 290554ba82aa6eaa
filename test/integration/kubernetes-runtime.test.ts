// The client and the reflector on a real API server.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RequestCount } from '../../src/resources/kubernetes/api-request.ts'
import { connectToCluster } from '../../src/resources/kubernetes/connect.ts'
import { eventType } from '../../src/resources/kubernetes/event-record.ts'
import { EventRecorder } from '../../src/resources/kubernetes/event-recorder.ts'
import { KubeApiError } from '../../src/resources/kubernetes/kube-api-error.ts'
import { createKubeClient, type KubeWrite } from '../../src/resources/kubernetes/kube-client.ts'
import { createReflector } from '../../src/resources/kubernetes/reflector.ts'
import { createTransport, type Transport } from '../../src/resources/kubernetes/transport.ts'
import type { KubeClient, KubeObject, ResourceType } from '../../src/resources/kubernetes/types.ts'
import { anew } from '../support/anew.ts'
import { clusterAccessOf } from '../support/cluster-access-of.ts'
import { eventually } from '../support/eventually.ts'
import { configMapType, type ConfigMap } from '../support/fault-api.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const api = sharedApiServer()

interface Deployment extends KubeObject {
  readonly spec?: {
    readonly replicas?: number
    readonly template?: {
      readonly spec?: { readonly containers?: readonly { readonly image?: string }[] }
    }
  }
}

const deploymentType: ResourceType<Deployment> = {
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
}

const counts: RequestCount[] = []
let transport: Transport
let client: KubeClient

beforeAll(() => {
  transport = createTransport(clusterAccessOf(api().admin), {
    onRequest: (count) => counts.push(count),
  })
  client = createKubeClient({ transport })
})

afterAll(async () => {
  await transport.close()
})

function configMap(name: string, data: Record<string, string> = {}): ConfigMap {
  return { metadata: { name, namespace: 'default' }, data }
}

function reasonOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (error instanceof KubeApiError ? error.reason : String(error)),
  )
}

describe('the client', () => {
  it('creates, reads, patches and deletes', async () => {
    const life = anew('life')
    const made = await client.create(configMapType, configMap(life, { a: '1' }))
    expect(await reasonOf(client.create(configMapType, configMap(life)))).toBe('AlreadyExists')
    const patched = await client.mergePatch(configMapType, made.metadata, {
      data: { a: null, b: '2' },
    })
    expect(patched.data).toEqual({ b: '2' })
    expect((await client.get(configMapType, made.metadata))?.data).toEqual({ b: '2' })
    expect(await reasonOf(client.delete(configMapType, made.metadata, { uid: 'another' }))).toBe(
      'Conflict',
    )
    const uid = made.metadata.uid ?? ''
    expect(await client.delete(configMapType, made.metadata, { uid })).toBe(true)
    expect(await client.delete(configMapType, made.metadata)).toBe(false)
    expect(await client.get(configMapType, made.metadata)).toBeUndefined()
  })

  it('refuses a patch on an old resource version', async () => {
    const made = await client.create(configMapType, configMap(anew('guarded')))
    await client.mergePatch(configMapType, made.metadata, { data: { a: '1' } })
    const { resourceVersion } = made.metadata
    const late = client.mergePatch(configMapType, made.metadata, {
      metadata: { resourceVersion },
      data: { a: '2' },
    })
    expect(await reasonOf(late)).toBe('Conflict')
  })

  it('applies with a field manager, and names the rival where a field is owned', async () => {
    const name = anew('applied')
    const deployment = (image: string, replicas?: number) => ({
      metadata: { name, namespace: 'default' },
      spec: {
        ...(replicas === undefined ? {} : { replicas }),
        selector: { matchLabels: { app: 'x' } },
        template: {
          metadata: { labels: { app: 'x' } },
          spec: { containers: [{ name: 'c', image }] },
        },
      },
    })
    await client.apply(deploymentType, deployment('one', 2), {
      fieldManager: 'loraplex-controller',
    })
    const again = await client.apply(deploymentType, deployment('two', 2), {
      fieldManager: 'loraplex-controller',
    })
    expect(again.spec?.template?.spec?.containers?.[0]?.image).toBe('two')
    const rival = client.apply(deploymentType, deployment('two', 3), { fieldManager: 'rival' })
    const error = await rival.catch((caught: unknown) => caught)
    expect(error).toMatchObject({
      reason: 'Conflict',
      causes: [{ reason: 'FieldManagerConflict' }],
    })
    expect((error as KubeApiError).causes[0]?.message).toContain('loraplex-controller')
    const forced = await client.apply(deploymentType, deployment('two', 3), {
      fieldManager: 'rival',
      force: true,
    })
    expect(forced.spec?.replicas).toBe(3)
    // A field that is no longer applied goes, as it has no other owner.
    const scaled = await client.mergePatch(
      deploymentType,
      again.metadata,
      { spec: { replicas: 5 } },
      { subresource: 'scale' },
    )
    expect(scaled.metadata.name).toBe(name)
    expect((await client.get(deploymentType, again.metadata))?.spec?.replicas).toBe(5)
  })

  it('keeps fields that nobody here knows', async () => {
    const object = { ...configMap(anew('raw')), immutable: true }
    const made = await client.create(configMapType, object)
    expect(made).toHaveProperty('immutable', true)
  })

  it('lists more than a page', async () => {
    const of = anew('pages')
    const names = Array.from({ length: 1_020 }, (_, index) => `${of}-${index}`)
    const create = (name: string) =>
      client.create(configMapType, { metadata: { name, namespace: 'default', labels: { of } } })
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(names.slice(at, at + 50).map(create))
    }
    counts.length = 0
    const { items, resourceVersion } = await client.list(configMapType, {
      labelSelector: `of=${of}`,
    })
    expect(new Set(items.map(({ metadata }) => metadata.name))).toEqual(new Set(names))
    expect(Number(resourceVersion)).toBeGreaterThan(0)
    expect(counts).toEqual(
      Array.from({ length: 3 }, () => ({ verb: 'list', kind: 'ConfigMap', code: 200 })),
    )
  })

  it('tells what is refused, and why', async () => {
    const stranger = createTransport(clusterAccessOf(await api().userNamed('stranger')))
    const strange = createKubeClient({ transport: stranger })
    expect(await reasonOf(strange.list(configMapType))).toBe('Forbidden')
    await stranger.close()
    const name = { metadata: { name: 'Not A Name', namespace: 'default' } }
    expect(await reasonOf(client.create(configMapType, name))).toBe('Invalid')
    const unknown = { ...configMapType, plural: 'nothings' }
    expect(await reasonOf(client.list(unknown))).toBe('NotFound')
  })

  it('sends nothing that it may not write', async () => {
    let mayWrite = true
    const writes: KubeWrite[] = []
    const fenced = createKubeClient({
      transport,
      mayWrite: () => mayWrite,
      beforeWrite: (write) => {
        writes.push(write)
      },
    })
    const key = { name: anew('fenced'), namespace: 'default' }
    await fenced.create(configMapType, configMap(key.name))
    mayWrite = false
    expect(await reasonOf(fenced.mergePatch(configMapType, key, { data: { a: '1' } }))).toBe(
      'NotLeader',
    )
    expect(await reasonOf(fenced.delete(configMapType, key))).toBe('NotLeader')
    expect(await client.get(configMapType, key)).not.toHaveProperty('data')
    expect(writes.map(({ number, verb, key: { name } }) => [number, verb, name])).toEqual([
      [1, 'create', key.name],
    ])
  })

  it('finds the cluster by kubeconfig, and says what is wrong with one', async () => {
    const { admin } = api()
    const access = await connectToCluster({ kubeconfig: admin.kubeconfigPath })
    const other = createTransport(access)
    const { items } = await createKubeClient({ transport: other }).list(configMapType, {
      namespace: 'kube-system',
    })
    expect(items.length).toBeGreaterThan(0)
    await other.close()
    await expect(
      connectToCluster({ kubeconfig: admin.kubeconfigPath, context: 'nowhere' }),
    ).rejects.toThrow('has no context nowhere')
  })
})

describe('events', () => {
  it('are accepted, one with a count for the same news', async () => {
    const recorder = new EventRecorder({
      client,
      controller: 'loraplex.dev/controller',
      instance: 'controller-0',
      seriesEveryMs: 50,
    })
    const told = anew('told')
    const regarding = { apiVersion: 'v1', kind: 'ConfigMap', name: told, namespace: 'default' }
    const news = {
      regarding,
      type: 'Normal',
      reason: 'Ready',
      action: 'Reconcile',
      note: 'serves',
    } as const
    recorder.record(news)
    recorder.record({ ...news, regarding: { apiVersion: 'v1', kind: 'Node', name: told } })
    const events = async () =>
      (await client.list(eventType, { namespace: 'default' })).items.filter(
        ({ regarding: { name } }) => name === told,
      )
    await eventually(async () => (await events()).length).toBe(2)
    recorder.record(news)
    recorder.record(news)
    await eventually(async () =>
      (await events()).map(({ series }) => series?.count ?? 1).sort((a, b) => a - b),
    ).toEqual([1, 3])
    await recorder.close()
  })
})

describe('the reflector', () => {
  it('follows a selection of objects, and one that leaves and returns', async () => {
    const name = anew('w1')
    const reflector = createReflector({
      transport,
      type: configMapType,
      labelSelector: `watched=${name}`,
    })
    const label = (watched: string) => ({ metadata: { labels: { watched } } })
    const first = await client.create(configMapType, {
      metadata: { name, namespace: 'default', labels: { watched: name } },
    })
    await reflector.start(new AbortController().signal)
    const names = () => reflector.store.list().map(({ metadata }) => metadata.name)
    expect(names()).toEqual([name])
    await client.mergePatch(configMapType, first.metadata, label('no'))
    await eventually(names).toEqual([])
    await client.mergePatch(configMapType, first.metadata, label(name))
    await eventually(names).toEqual([name])
    await client.delete(configMapType, first.metadata)
    await eventually(names).toEqual([])
    await reflector.close()
  })

  it('loses nothing of a burst while its watch is cut again and again', async () => {
    const burst = anew('burst')
    const reflector = createReflector({
      transport,
      type: configMapType,
      labelSelector: `of=${burst}`,
      timing: { watchMs: [1_000, 1_000], backoffMs: [20, 100] },
    })
    await reflector.start(new AbortController().signal)
    const labels = { of: burst }
    for (let index = 0; index < 150; index += 1) {
      await client.apply(
        configMapType,
        {
          metadata: { name: `${burst}-${index % 30}`, namespace: 'default', labels },
          data: { n: String(index) },
        } as ConfigMap,
        { fieldManager: 'test' },
      )
    }
    const seen = () =>
      reflector.store
        .list()
        .map(({ data }) => Number(data?.['n']))
        .sort((a, b) => a - b)
    await eventually(seen).toEqual(Array.from({ length: 30 }, (_, index) => 120 + index))
    await reflector.close()
  })
})
