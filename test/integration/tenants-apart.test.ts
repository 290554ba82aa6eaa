// What one tenant may not do to another, or to a pool, on the whole product: the status says why, and nobody else notices.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { fingerprintOf } from '../../src/api/names.ts'
import type { GatewayProcess } from '../../src/cluster/gateway-process.ts'
import { anew } from '../support/anew.ts'
import { secretOf, sha256 } from '../support/builders.ts'
import { anObject, create, crdFolder } from '../support/crd-server.ts'
import { call, type HttpAnswer } from '../support/http-caller.ts'
import type { KubeJson } from '../support/product.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'
import { WholeBed } from '../support/whole-bed.ts'

const group = '/apis/loraplex.dev/v1alpha1'
const api = sharedApiServer({ crdPaths: [crdFolder] })
const mine = { team: 'ml' }
let bed: WholeBed
let gateway: GatewayProcess

beforeAll(async () => {
  bed = await WholeBed.create(api())
  await bed.controller()
  gateway = await bed.gateway()
  await api().createNamespace('acme-a', mine)
  await api().createNamespace('acme-b', mine)
  await bed.pool({ allowedNamespaces: { from: 'Selector', selector: { matchLabels: mine } } })
  await tenant('acme', 'acme-a', 'acme-b')
  await bed.adapter('acme-a', 'tickets', 0)
  await bed.adapter('acme-b', 'tickets', 1)
  await becomes('acme-a', 'tickets', 'True Ready')
  await becomes('acme-b', 'tickets', 'True Ready')
})
afterAll(() => bed[Symbol.asyncDispose]())

/** With a key in each of its namespaces, named after it. */
async function tenant(name: string, ...namespaces: readonly string[]): Promise<void> {
  await bed.objects.put(`${group}/modeltenants`, {
    kind: 'ModelTenant',
    metadata: { name },
    spec: { namespaces: namespaces.map((one) => ({ name: one })) },
  })
  for (const namespace of namespaces) {
    await bed.objects.put(`${group}/namespaces/${namespace}/tenantkeys`, {
      kind: 'TenantKey',
      metadata: { name },
      spec: { sha256: sha256(secretOf(`${name}-${namespace}`)) },
    })
  }
}

function becomes(namespace: string, name: string, ready: string): Promise<void> {
  return vi.waitFor(
    async () =>
      expect(await bed.objects.readyOf('loraadapters', namespace, name), name).toBe(ready),
    { timeout: 30_000, interval: 50 },
  )
}

function ask(key: string, model: string): Promise<HttpAnswer> {
  const body = { model, messages: [{ role: 'user', content: 'hello' }], max_tokens: 4 }
  return call(`${gateway.url}/v1/chat/completions`, { key: secretOf(key), body })
}

async function statusOf(path: string): Promise<KubeJson> {
  return (await api().ask('GET', `${group}/${path}`)).body.status
}

async function conditionOf(path: string, type: string): Promise<KubeJson> {
  const status = await statusOf(path)
  return status?.conditions?.find((one: KubeJson) => one.type === type)
}

async function fingerprint(namespace: string, name: string): Promise<string> {
  const { revisions } = await statusOf(`namespaces/${namespace}/loraadapters/${name}`)
  const active = revisions.find(({ role }: KubeJson) => role === 'Active')
  return fingerprintOf(active.revision, true)
}

async function answering(key: string, model: string): Promise<unknown> {
  const answer = await ask(key, model)
  expect(answer.status, answer.text).toBe(200)
  return (answer.json() as { system_fingerprint: string }).system_fingerprint
}

/** What was there before goes on. */
async function othersAnswer(): Promise<void> {
  expect(await answering('acme-acme-a', 'tickets')).toBe(await fingerprint('acme-a', 'tickets'))
  expect(await bed.objects.readyOf('loraadapters', 'acme-a', 'tickets')).toBe('True Ready')
}

// First: what nobody called yet leaves the engines at once.
describe('a tenant whose quota is lowered', () => {
  const path = 'modeltenants/acme'
  const allow = (adapterQuota: object) =>
    bed.objects.patch(`${group}/${path}`, { spec: { adapterQuota } })

  test('keeps its oldest adapter; the other comes back with the room', async () => {
    await allow({ count: 1 })
    await becomes('acme-b', 'tickets', 'False QuotaExceeded')
    expect(await conditionOf('namespaces/acme-b/loraadapters/tickets', 'Ready')).toMatchObject({
      message: expect.stringContaining('allows 1 adapters, and 1 older ones are there'),
    })
    await expect
      .poll(async () => (await ask('acme-acme-b', 'acme-b/tickets')).text, { timeout: 15_000 })
      .toContain('adapter_failed')
    await othersAnswer()
    await allow({ count: 2 })
    await becomes('acme-b', 'tickets', 'True Ready')
    await expect
      .poll(async () => (await ask('acme-acme-b', 'acme-b/tickets')).status, { timeout: 15_000 })
      .toBe(200)
    await allow({ count: 100 })
  })

  test('or who gets a budget in money over a pool without prices is told so', async () => {
    const spend = (budgets: readonly object[]) =>
      bed.objects.patch(`${group}/${path}`, { spec: { budgets } })
    const missing = () => expect.poll(() => conditionOf(path, 'PriceMissing'), { timeout: 15_000 })
    await spend([{ name: 'monthly', window: 'Month', amount: '5', action: 'Warn' }])
    await missing().toMatchObject({
      status: 'True',
      reason: 'PoolWithoutPrices',
      message: expect.stringContaining('these pools have none: models/llama'),
    })
    await spend([])
    await missing().toBeUndefined()
  })
})

describe('one name in two namespaces of a tenant', () => {
  test('is for each key the one beside it, and the other by its namespace', async () => {
    const [a, b] = [await fingerprint('acme-a', 'tickets'), await fingerprint('acme-b', 'tickets')]
    expect(a).not.toBe(b)
    await expect.poll(() => answering('acme-acme-a', 'tickets')).toBe(a)
    expect(await answering('acme-acme-b', 'tickets')).toBe(b)
    expect(await answering('acme-acme-a', 'acme-b/tickets')).toBe(b)
    expect(await answering('acme-acme-b', 'acme-a/tickets')).toBe(a)
  })
})

describe('a namespace that may not attach', () => {
  test('is told so, gets no answer, and may once it has the label', async () => {
    const outsider = anew('outsider')
    await api().createNamespace(outsider)
    await tenant(outsider, outsider)
    await bed.adapter(outsider, 'shout', 2)
    await becomes(outsider, 'shout', 'False NotAllowedByPool')
    const path = `namespaces/${outsider}/loraadapters/shout`
    expect(await conditionOf(path, 'Ready')).toMatchObject({
      message:
        'ModelPool models/llama does not take adapters of this namespace (spec.allowedNamespaces).',
    })
    expect((await statusOf(path)).revisions ?? []).toEqual([])
    expect((await ask(`${outsider}-${outsider}`, 'shout')).status).toBeGreaterThanOrEqual(400)
    await othersAnswer()
    await bed.objects.patch(`/api/v1/namespaces/${outsider}`, { metadata: { labels: mine } })
    await becomes(outsider, 'shout', 'True Ready')
    expect(await answering(`${outsider}-${outsider}`, 'shout')).toBe(
      await fingerprint(outsider, 'shout'),
    )
  })
})

describe('two tenants that claim one object', () => {
  test('the older has it; the younger is told what it does not get, and cannot call it', async () => {
    const usurper = anew('usurper')
    await api().createNamespace(usurper)
    await tenant(usurper, usurper)
    await bed.objects.patch(`${group}/modeltenants/${usurper}`, {
      spec: { namespaces: [{ name: usurper }, { name: 'acme-a' }] },
    })
    await expect
      .poll(() => conditionOf(`modeltenants/${usurper}`, 'OwnershipConflict'), { timeout: 15_000 })
      .toMatchObject({
        status: 'True',
        reason: 'OlderTenantHoldsIt',
        message: expect.stringContaining('acme-a/tickets (held by acme)'),
      })
    expect(await conditionOf('modeltenants/acme', 'OwnershipConflict')).toBeUndefined()
    expect((await ask(`${usurper}-${usurper}`, 'acme-a/tickets')).status).toBe(404)
    expect((await ask(`${usurper}-${usurper}`, 'tickets')).status).toBe(404)
    await othersAnswer()
  })
})

describe('an adapter whose source is not its own', () => {
  const sources = [{ uriPrefix: 'https://models.example/${namespace}/', credentials: 'Adapter' }]

  async function refused(name: string, pool: string, uri: string): Promise<string> {
    await bed.objects.adapter('acme-a', name, `models/${pool}`, { source: { uri } })
    await becomes('acme-a', name, 'False SourceNotAllowed')
    const path = `namespaces/acme-a/loraadapters/${name}`
    const fetched = await conditionOf(path, 'Fetched')
    expect(fetched).toMatchObject({ status: 'False', reason: 'SourceNotAllowed' })
    expect((await statusOf(path)).revisions ?? []).toEqual([])
    await othersAnswer()
    return fetched.message
  }

  test('a volume of the pool’s is refused: it takes files and volumes from its own namespace', async () => {
    const open = anew('open')
    await bed.objects.pool('models', open, { replicas: 0, allowedNamespaces: { from: 'All' } })
    expect(await refused(anew('volume'), open, 'pvc://weights/llama')).toBe(
      `ModelPool models/${open} takes files and volumes only from its own namespace. Its operator can allow more in spec.lora.sources.`,
    )
  })

  test('a neighbour’s prefix is refused, one’s own is not', async () => {
    const fenced = anew('fenced')
    const shape = { replicas: 0, allowedNamespaces: { from: 'All' }, lora: { sources } }
    await bed.objects.pool('models', fenced, shape)
    const words = `ModelPool models/${fenced} does not take adapters from there. spec.lora.sources of the pool says from where.`
    const ways = ['acme-b/x.tar.gz', 'acme-a/%2e%2e/acme-b/x.tar.gz', 'acme-ab/x.tar.gz']
    for (const way of ways) {
      const uri = `https://models.example/${way}`
      expect(await refused(anew('neighbour'), fenced, uri), way).toBe(words)
    }
    const own = anew('own')
    await bed.objects.adapter('acme-a', own, `models/${fenced}`, {
      source: { uri: 'https://models.example/acme-a/x.tar.gz' },
    })
    const fetched = `namespaces/acme-a/loraadapters/${own}`
    await expect
      .poll(async () => (await conditionOf(fetched, 'Fetched'))?.reason, { timeout: 15_000 })
      .not.toBe('SourceNotAllowed')
  })

  test('s3 is not read yet: neither an adapter nor a pool’s prefix may name it', async () => {
    const spec = { poolRefs: [{ name: 'llama' }], source: { uri: 's3://bucket/acme-b/x.tar.gz' } }
    const adapter = await create(api(), anObject('LoraAdapter', spec))
    expect(adapter.status).toBe(422)
    expect(adapter.body.message).toContain(
      'spec.source.uri: Invalid value: write file:///absolute/folder, pvc://claim/path or https://host/file.tar.gz',
    )
    const prefixes = { sources: [{ uriPrefix: 's3://bucket/acme-a/', credentials: 'Pool' }] }
    const model = { uri: 'file:///models/base' }
    const pool = await create(
      api(),
      anObject('ModelPool', { model, engine: { image: 'vllm' }, lora: prefixes }),
    )
    expect(pool.status).toBe(422)
    expect(pool.body.message).toContain(
      'spec.lora.sources[0].uriPrefix: Invalid value: write file:…, pvc://claim/… or https://host/…',
    )
  })
})
