import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { revisionOf } from '../../src/api/names.ts'
import { sha256 } from '../support/builders.ts'
import { ControllerBed } from '../support/controller-bed.ts'
import { crdFolder } from '../support/crd-server.ts'
import { eventually } from '../support/eventually.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const api = sharedApiServer({ crdPaths: [crdFolder] })

let bed: ControllerBed

beforeEach(async () => {
  bed = await ControllerBed.create(api())
})

afterEach(async () => {
  await bed[Symbol.asyncDispose]()
  await clean()
})

const namespaces = ['models', 'acme']

/** Objects of one test are not the next one's; nobody collects garbage here. */
async function clean(): Promise<void> {
  for (const namespace of namespaces) {
    for (const path of [
      'apis/loraplex.dev/v1alpha1/namespaces/NS/modelpools',
      'apis/loraplex.dev/v1alpha1/namespaces/NS/loraadapters',
      'apis/loraplex.dev/v1alpha1/namespaces/NS/tenantkeys',
      'apis/apps/v1/namespaces/NS/deployments',
      'apis/networking.k8s.io/v1/namespaces/NS/networkpolicies',
      'apis/policy/v1/namespaces/NS/poddisruptionbudgets',
      'api/v1/namespaces/NS/secrets',
      'api/v1/namespaces/NS/serviceaccounts',
      'api/v1/namespaces/NS/pods',
    ]) {
      await api().ask('DELETE', `/${path.replace('NS', namespace)}?gracePeriodSeconds=0`)
    }
    await api().ask('DELETE', `/api/v1/namespaces/${namespace}/services/llama-engine`)
  }
  await api().ask('DELETE', '/apis/loraplex.dev/v1alpha1/modeltenants')
}

const revisionFor = (uri: string): string => revisionOf('models/llama', sha256(uri))
const tickets = revisionFor('https://models.example/acme/tickets.tar.gz')

describe('a pool', () => {
  test('becomes pods, and is Ready when they are', async () => {
    await bed.controller()
    await bed.pool('models', 'llama', { replicas: 2 })
    await eventually(() => bed.readyOf('modelpools', 'models', 'llama')).toBe('True Ready')
    expect(bed.node.of('llama')).toHaveLength(2)
    await eventually(() => bed.poolStatus('models', 'llama')).toMatchObject({
      replicas: 2,
      readyReplicas: 2,
      desiredReplicas: 2,
      updatedReplicas: 2,
      observedGeneration: 1,
    })
    const { body } = await bed.deployment('models', 'llama')
    const revision = body.spec.template.metadata.labels['loraplex.dev/pool-revision']
    const secret = await api().ask('GET', `/api/v1/namespaces/models/secrets/llama-${revision}`)
    expect(Object.keys(secret.body.data).sort()).toEqual([
      'agent-token',
      'depot-token',
      'engine-key',
    ])
    expect(secret.body).toMatchObject({ immutable: true })
  })

  test('gets no write while nothing changes', async () => {
    let writes = 0
    await bed.controller({
      writes: {
        afterWrite: () => {
          writes += 1
        },
      },
    })
    await bed.pool('models', 'llama', { replicas: 1 })
    await eventually(() => bed.readyOf('modelpools', 'models', 'llama')).toBe('True Ready')
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const before = writes
    await new Promise((resolve) => setTimeout(resolve, 3000))
    expect(writes).toBe(before)
  })
})

const demandOf = (waiting: number, running: number, arrivals = waiting + running) => ({
  'models/llama': { base: { waiting, running, arrivals } },
})

describe('replicas', () => {
  const scaling = {
    minReplicas: 0,
    maxReplicas: 4,
    scaleToZeroAfterSeconds: 2,
    scaleDownStabilizationSeconds: 1,
  }

  test('come from zero on demand, and go to zero one by one, drained, once nothing is asked', async () => {
    await bed.controller()
    const gateway = await bed.gateway()
    await bed.pool('models', 'llama', { scaling })
    await eventually(() => bed.readyOf('modelpools', 'models', 'llama')).toBe('True OnDemand')
    expect(bed.node.of('llama')).toHaveLength(0)
    gateway.demand = demandOf(40, 0)
    const askedAt = performance.now()
    gateway.say()
    await eventually(async () => (await bed.deployment('models', 'llama')).body.spec.replicas).toBe(
      4,
    )
    console.log(`from zero: decided and written in ${(performance.now() - askedAt).toFixed(0)} ms`)
    await eventually(() => bed.node.of('llama').filter((pod) => pod.isReady).length).toBe(4)
    const agents = bed.node.of('llama').map(({ agent }) => agent)
    gateway.demand = demandOf(0, 0, 40)
    await eventually(() => bed.node.of('llama').length).toBe(0)
    expect(agents.map((agent) => agent.drains)).toEqual([1, 1, 1, 1])
    await eventually(() => bed.readyOf('modelpools', 'models', 'llama')).toBe('True OnDemand')
  })

  test('are enough for the tokens that arrive, before anything waits, where a time between them is promised', async () => {
    await bed.controller()
    const gateway = await bed.gateway()
    const promise = { minReplicas: 1, maxReplicas: 8, targetTpotMilliseconds: 50 }
    await bed.pool('models', 'llama', { scaling: { ...scaling, ...promise } })
    await eventually(() => bed.readyOf('modelpools', 'models', 'llama')).toBe('True Ready')
    const startedAt = performance.now()
    // At 50 ms a replica of these costs writes 3,200 tokens a second: 3.1 are needed, 4.1 with what chance takes, and a tenth less is
    // as good.
    const costs = {
      stepMs: 10,
      perRequestMs: 0.25,
      perAdapterMs: 0,
      perPromptTokenMs: 0,
      loadMs: 0,
    }
    const counting = setInterval(() => {
      const requests = Math.floor((performance.now() - startedAt) * 0.05)
      const tokens = { inputTokens: requests * 100, outputTokens: requests * 200 }
      gateway.demand = demandOf(0, 3, requests)
      gateway.work = { 'models/llama': { requests, ...tokens, answers: requests, costs } }
    }, 50)
    try {
      await eventually(
        async () => (await bed.deployment('models', 'llama')).body.spec.replicas,
      ).toBe(4)
    } finally {
      clearInterval(counting)
    }
  })

  test('do not go while a gateway is silent, and after a minute a condition says so', async () => {
    await bed.controller()
    const gateway = await bed.gateway()
    await bed.pool('models', 'llama', { scaling: { ...scaling, minReplicas: 1 } })
    gateway.demand = demandOf(40, 0)
    await eventually(() => bed.node.of('llama').length).toBe(4)
    gateway.isSilent = true
    const demandUnknown = async (): Promise<string | undefined> =>
      (
        (await bed.poolStatus('models', 'llama')).conditions as { type: string; reason: string }[]
      ).find(({ type }) => type === 'DemandUnknown')?.reason
    await expect.poll(demandUnknown, { timeout: 75_000, interval: 500 }).toBe('NoGateway')
    expect(bed.node.of('llama')).toHaveLength(4)
    gateway.isSilent = false
    await eventually(demandUnknown).toBe(undefined)
  }, 120_000)

  test('of a Deployment that somebody else scaled come back, with a condition', async () => {
    await bed.controller()
    await bed.pool('models', 'llama', { replicas: 2 })
    await eventually(() => bed.readyOf('modelpools', 'models', 'llama')).toBe('True Ready')
    const path = '/apis/apps/v1/namespaces/models/deployments/llama-engine'
    await bed.patch(`${path}/scale`, { spec: { replicas: 1 } })
    await eventually(async () => (await api().ask('GET', path)).body.spec.replicas).toBe(2)
    await eventually(async () =>
      ((await bed.poolStatus('models', 'llama')).conditions as { type: string }[]).map(
        ({ type }) => type,
      ),
    ).toContain('TwoScalers')
  })

  test('roll out when the engine changes, with a Secret of their own, and leave none behind', async () => {
    await bed.controller()
    await bed.pool('models', 'llama', { replicas: 2 })
    await eventually(() => bed.readyOf('modelpools', 'models', 'llama')).toBe('True Ready')
    const before = bed.node.of('llama').map(({ name }) => name)
    await bed.patchPool('models', 'llama', { engine: { image: 'vllm/vllm-openai:v0.33.0' } })
    await eventually(() => before.every((name) => bed.node.gone.includes(name))).toBe(true)
    const secrets = async (): Promise<number> =>
      (await api().ask('GET', '/api/v1/namespaces/models/secrets')).body.items.length
    await eventually(secrets).toBe(1)
    expect(bed.node.of('llama')).toHaveLength(2)
  })

  test('roll out when the secret of the installation is another, and get its tokens', async () => {
    const first = await bed.controller()
    await bed.pool('models', 'llama', { replicas: 2 })
    await eventually(() => bed.readyOf('modelpools', 'models', 'llama')).toBe('True Ready')
    const before = bed.node.of('llama').map(({ name }) => name)
    const secretsPath = '/api/v1/namespaces/models/secrets'
    const tokens = async (): Promise<readonly string[]> =>
      (await api().ask('GET', secretsPath)).body.items.map(
        ({ data }: { data: Record<string, string> }) => data['agent-token'],
      )
    const [old] = await tokens()
    await first.close()
    const other = `${bed.secretFile}-other`
    await writeFile(other, randomBytes(32))
    let fewest = 2
    const watching = setInterval(() => {
      fewest = Math.min(fewest, bed.node.of('llama').filter(({ isReady }) => isReady).length)
    }, 10)
    await bed.controller({ secretFile: other })
    await eventually(() => before.every((name) => bed.node.gone.includes(name))).toBe(true)
    clearInterval(watching)
    expect(fewest).toBe(2)
    await eventually(async () => (await tokens()).length).toBe(1)
    expect(await tokens()).not.toContain(old)
    expect(bed.node.of('llama')).toHaveLength(2)
  })

  test('are left alone by an adapter, and by another image of ours', async () => {
    const first = await bed.controller()
    await bed.gateway()
    await bed.pool('models', 'llama', { replicas: 1 })
    await eventually(() => bed.readyOf('modelpools', 'models', 'llama')).toBe('True Ready')
    const names = bed.node.of('llama').map(({ name }) => name)
    await bed.tenant('acme')
    await bed.adapter('acme', 'tickets', 'models/llama')
    await eventually(() => bed.readyOf('loraadapters', 'acme', 'tickets')).not.toBe('none')
    await first.close()
    const { settings } = bed.options()
    const second = await bed.controller({ settings: { ...settings, image: 'loraplex:2' } })
    await eventually(() => second.isLeading).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    const { body } = await bed.deployment('models', 'llama')
    expect(JSON.stringify(body.spec.template)).not.toContain('loraplex:2')
    expect(bed.node.of('llama').map(({ name }) => name)).toEqual(names)
    await second.close()
    await bed.controller({
      settings: { ...settings, image: 'loraplex:2' },
      agentRollout: 'Now',
    })
    await eventually(async () =>
      JSON.stringify((await bed.deployment('models', 'llama')).body.spec.template),
    ).toContain('loraplex:2')
  })
})

describe('an adapter', () => {
  test('is Ready once every gateway can route to it', async () => {
    await bed.controller()
    const gateways = [await bed.gateway('gateway-0'), await bed.gateway('gateway-1')] as const
    await bed.pool('models', 'llama', { replicas: 2 })
    await bed.tenant('acme')
    await bed.adapter('acme', 'tickets', 'models/llama')
    await eventually(() => bed.readyOf('loraadapters', 'acme', 'tickets')).toBe(
      'False WaitingForGateways',
    )
    await eventually(() =>
      bed.node
        .of('llama')
        .map(({ agent }) => agent.orders.at(-1)?.entries.map(({ revision }) => revision)),
    ).toEqual([[tickets], [tickets]])
    gateways[0].acknowledge('models/llama', [tickets])
    gateways[1].acknowledge('models/llama', [])
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await bed.readyOf('loraadapters', 'acme', 'tickets')).toBe('False WaitingForGateways')
    gateways[1].acknowledge('models/llama', [tickets])
    await eventually(() => bed.readyOf('loraadapters', 'acme', 'tickets')).toBe('True Ready')
  })
})
