// A real API server that goes away, falls silent and comes back, behind a proxy that makes it so.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RequestCount } from '../../src/resources/kubernetes/api-request.ts'
import { createKubeClient } from '../../src/resources/kubernetes/kube-client.ts'
import { createKubernetesSource } from '../../src/resources/kubernetes/kubernetes-source.ts'
import type { ReflectorTiming } from '../../src/resources/kubernetes/reflector-timing.ts'
import { createTransport } from '../../src/resources/kubernetes/transport.ts'
import { clusterAccessOf } from '../support/cluster-access-of.ts'
import { eventually } from '../support/eventually.ts'
import { FaultProxy } from '../support/fault-proxy.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const api = sharedApiServer({ crdPaths: ['manifests/crds'] })
const tenants = '/apis/loraplex.dev/v1alpha1/modeltenants'
const closing: (() => Promise<void>)[] = []

// Also what an attempt before has made.
beforeEach(async () => {
  await api().ask('DELETE', tenants)
})

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

async function bed(timing: Partial<ReflectorTiming> = {}) {
  const proxy = await FaultProxy.start(api().url)
  const counts: RequestCount[] = []
  const transport = createTransport(clusterAccessOf({ ...api().admin, url: proxy.url }), {
    onRequest: (count) => counts.push(count),
  })
  const source = createKubernetesSource({
    transport,
    writer: { client: createKubeClient({ transport }), mayWrite: () => true },
    timing: { backoffMs: [50, 500], ...timing },
  })
  closing.push(
    () => proxy.stop(),
    () => transport.close(),
    () => source.close(),
  )
  await source.start(new AbortController().signal)
  const names = () => [...source.current().snapshot.tenants.keys()].sort()
  return { proxy, source, names, counts }
}

async function createTenant(name: string): Promise<void> {
  const object = {
    apiVersion: 'loraplex.dev/v1alpha1',
    kind: 'ModelTenant',
    metadata: { name },
    spec: {},
  }
  expect((await api().ask('POST', tenants, object)).status).toBe(201)
}

describe('an API server that is away', () => {
  it('leaves what is known, and is caught up with when it is back', async () => {
    await createTenant('before')
    const { proxy, source, names, counts } = await bed()
    await eventually(names).toEqual(['before'])
    proxy.mode = 'Refuse'
    proxy.reset()
    await createTenant('meanwhile')
    source.writeStatus('ModelTenant', 'before', {
      observedGeneration: 1,
      conditions: [],
      namespaces: ['before'],
      adapters: 0,
      keys: 0,
    })
    counts.length = 0
    await sleep(3_000)
    expect(names()).toEqual(['before'])
    expect(performance.now() - source.heardAtMs).toBeGreaterThan(2_500)
    // Five reflectors and one status: nobody is hammered meanwhile.
    expect(counts.length).toBeLessThan(100)
    proxy.mode = 'Pass'
    await eventually(names).toEqual(['before', 'meanwhile'])
    const status = async () => (await api().ask('GET', `${tenants}/before`)).body.status
    await expect.poll(status, { timeout: 15_000 }).toMatchObject({ namespaces: ['before'] })
    await eventually(() => performance.now() - source.heardAtMs).toBeLessThan(5_000)
  })

  it('is noticed when its connections stay and say nothing', async () => {
    const { proxy, names } = await bed({ inactivityMs: 1_000 })
    const count = names().length
    proxy.mode = 'Silent'
    await createTenant('unheard')
    await sleep(500)
    expect(names()).toHaveLength(count)
    await sleep(1_000)
    proxy.mode = 'Pass'
    await eventually(names).toContain('unheard')
  })
})

describe('a cluster in which nothing happens', () => {
  it('is asked next to nothing', async () => {
    const { counts } = await bed()
    await sleep(1_000)
    counts.length = 0
    await sleep(5_000)
    expect(counts.length).toBeLessThanOrEqual(1)
  })
})
