import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { configMapType, FaultApi, type Refusal } from '../../../test/support/fault-api.ts'
import type { RequestCount } from './api-request.ts'
import { inClusterAccess } from './in-cluster-access.ts'
import { KubeApiError } from './kube-api-error.ts'
import { createKubeClient, type KubeClientOptions } from './kube-client.ts'
import { leaseType } from './lease.ts'
import { createTransport, type TransportOptions } from './transport.ts'
import type { KubeClient } from './types.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

async function bed(
  options: Partial<KubeClientOptions> = {},
  transportOptions: TransportOptions = {},
) {
  const api = await FaultApi.start()
  const counts: RequestCount[] = []
  const transport = createTransport(api.access, {
    random: () => 0.1,
    onRequest: (count) => counts.push(count),
    ...transportOptions,
  })
  closing.push(
    () => api.stop(),
    () => transport.close(),
  )
  return { api, transport, counts, client: createKubeClient({ transport, ...options }) }
}

const key = { name: 'x', namespace: 'default' }
const object = { metadata: key }

const verbs = {
  get: (client: KubeClient) => client.get(configMapType, key),
  list: (client: KubeClient) => client.list(configMapType),
  create: (client: KubeClient) => client.create(configMapType, object),
  apply: (client: KubeClient) => client.apply(configMapType, object, { fieldManager: 'm' }),
  patch: (client: KubeClient) => client.mergePatch(configMapType, key, { data: {} }),
  'delete by uid': (client: KubeClient) => client.delete(configMapType, key, { uid: 'u' }),
  'delete by name': (client: KubeClient) => client.delete(configMapType, key),
}

describe('a request that fails for a moment', () => {
  const cases: readonly {
    readonly verb: keyof typeof verbs
    readonly refusal: Omit<Refusal, 'times'>
    readonly isRetried: boolean
  }[] = [
    { verb: 'get', refusal: { status: 500 }, isRetried: true },
    { verb: 'list', refusal: { status: 503 }, isRetried: true },
    { verb: 'apply', refusal: { status: 504 }, isRetried: true },
    { verb: 'patch', refusal: { status: 0 }, isRetried: true },
    { verb: 'delete by uid', refusal: { status: 500 }, isRetried: true },
    { verb: 'delete by name', refusal: { status: 500 }, isRetried: false },
    { verb: 'create', refusal: { status: 500 }, isRetried: false },
    { verb: 'create', refusal: { status: 0 }, isRetried: false },
    { verb: 'create', refusal: { status: 429 }, isRetried: true },
    { verb: 'apply', refusal: { status: 409, reason: 'Conflict' }, isRetried: false },
    { verb: 'get', refusal: { status: 403 }, isRetried: false },
  ]
  it.each(cases)(
    '$verb, $refusal.status: tried again $isRetried',
    async ({ verb, refusal, isRetried }) => {
      const { api, client } = await bed()
      api.refuse({ ...refusal, times: 2 })
      const outcome = await verbs[verb](client).then(
        () => 'ok',
        (error: unknown) => (error instanceof KubeApiError ? 'refused' : error),
      )
      expect(outcome).toBe(isRetried ? 'ok' : 'refused')
      expect(api.requests).toHaveLength(isRetried ? 3 : 1)
    },
  )

  it('is given up after some tries, and every try is counted', async () => {
    const { api, client, counts } = await bed({ retries: 2 })
    api.refuse({ status: 503, times: 9 })
    await expect(client.get(configMapType, key)).rejects.toMatchObject({ reason: 'Unavailable' })
    expect(counts).toEqual([1, 2, 3].map(() => ({ verb: 'get', kind: 'ConfigMap', code: 503 })))
  })

  it('waits as long as it is told to', async () => {
    const { api, client } = await bed()
    api.refuse({ status: 429, retryAfterSeconds: 1, times: 1 })
    await client.apply(configMapType, object, { fieldManager: 'm' })
    const [first, second] = api.requests
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(990)
  })

  it('ends at once when its caller does not want it any more', async () => {
    const { api, client } = await bed()
    api.refuse({ status: 429, retryAfterSeconds: 60, times: 1 })
    const stop = new AbortController()
    const reading = client.get(configMapType, key, stop.signal)
    setTimeout(() => stop.abort(), 50)
    await expect(reading).rejects.toThrow('aborted')
    expect(api.requests).toHaveLength(1)
  })
})

describe('a request', () => {
  it('has a time limit', async () => {
    const { api, client, counts } = await bed({ readTimeoutMs: 50, retries: 0 })
    api.slowListMs = 5_000
    await expect(client.list(configMapType)).rejects.toMatchObject({ reason: 'Unreachable' })
    expect(counts.at(-1)?.code).toBe(0)
  })

  it('tells the server its limit, its manager and what its body is', async () => {
    const { api, client } = await bed()
    await client.apply(configMapType, object, {
      fieldManager: 'm',
      force: true,
      subresource: 'status',
    })
    const [request] = api.requests
    expect(request?.contentType).toBe('application/apply-patch+yaml')
    expect(Object.fromEntries(request?.query ?? [])).toEqual({
      fieldManager: 'm',
      force: 'true',
      timeout: '4s',
    })
    expect(JSON.parse(request?.body ?? '')).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' })
  })

  it('waits for its turn where many run', async () => {
    const { api, client } = await bed({}, { maxConcurrent: 2 })
    api.slowListMs = 40
    const sinceMs = performance.now()
    await Promise.all([1, 2, 3, 4, 5, 6].map(() => client.list(configMapType)))
    expect(performance.now() - sinceMs).toBeGreaterThanOrEqual(115)
  })

  it('does not wait for its turn where it renews a Lease', async () => {
    const { api, client } = await bed({ readTimeoutMs: 300, retries: 0 }, { maxConcurrent: 1 })
    api.slowListMs = 5_000
    const slow = client.list(configMapType).catch(() => 'timed out')
    await client.mergePatch(leaseType, key, { spec: {} })
    expect(await slow).toBe('timed out')
    expect(api.requests.map(({ verb }) => verb)).toEqual(['list', 'write'])
  })

  it('stays off the wire when leadership ends while it is on its way to a connection', async () => {
    let asked = 0
    // The first question is before the connection, the second when it would be written.
    const { api, client } = await bed({ retries: 0, mayWrite: () => (asked += 1) < 2 })
    await expect(verbs.patch(client)).rejects.toMatchObject({ reason: 'NotLeader' })
    expect(asked).toBe(2)
    expect(api.requests).toHaveLength(0)
  })

  it('numbers writes, and one that is kept back is not sent', async () => {
    const numbers: number[] = []
    const { api, client } = await bed({
      beforeWrite: ({ number }) => {
        numbers.push(number)
        if (number === 2) {
          throw new RangeError('crash point')
        }
      },
      afterWrite: ({ number }) => {
        numbers.push(-number)
      },
    })
    await verbs.apply(client)
    await expect(verbs.patch(client)).rejects.toThrow('crash point')
    await verbs['delete by uid'](client)
    await verbs.get(client)
    expect(numbers).toEqual([1, -1, 2, 3, -3])
    expect(api.count('write')).toBe(2)
  })
})

describe('access from within a cluster', () => {
  it('reads its token anew after a minute, and keeps it where that fails', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'loraplex-access-'))
    closing.push(() => rm(folder, { recursive: true, force: true }))
    await writeFile(join(folder, 'token'), 'one\n')
    await writeFile(join(folder, 'ca.crt'), 'ca')
    await writeFile(join(folder, 'namespace'), 'loraplex-system')
    let nowMs = 0
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }
    const access = await inClusterAccess({ folder, env, now: () => nowMs })
    const token = async () => (await access.credentials()).headers['authorization']
    expect(access).toMatchObject({ url: 'https://[fd00::1]:6443', namespace: 'loraplex-system' })
    const { tls } = await access.credentials()
    await writeFile(join(folder, 'token'), 'two')
    expect(await token()).toBe('Bearer one')
    nowMs = 60_000
    expect(await token()).toBe('Bearer two')
    expect((await access.credentials()).tls).toBe(tls)
    await rm(join(folder, 'token'))
    nowMs = 120_000
    expect(await token()).toBe('Bearer two')
    await writeFile(join(folder, 'token'), 'three')
    await writeFile(join(folder, 'ca.crt'), 'new ca')
    nowMs = 180_000
    expect(await token()).toBe('Bearer three')
    expect((await access.credentials()).tls).toEqual({ ca: 'new ca' })
  })

  it('says what is missing', async () => {
    await expect(inClusterAccess({ folder: '/nowhere', env: {} })).rejects.toThrow(
      'no service account',
    )
  })
})
