// A pool with more adapters than one replica's host cache takes: where they are, and what follows demand, a dead
// controller and a replica that goes. Beside it what other scalers read.
import { request } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { revisionOf } from '../../src/api/names.ts'
import type { ControllerProcess } from '../../src/cluster/controller-process.ts'
import { sha256 } from '../support/builders.ts'
import { ControllerBed, type StubGateway } from '../support/controller-bed.ts'
import { crdFolder } from '../support/crd-server.ts'
import { eventually } from '../support/eventually.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const api = sharedApiServer({ crdPaths: [crdFolder] })
const names = Array.from({ length: 14 }, (_, at) => `a${at}`)
let bed: ControllerBed
let namespace = ''
let poolKey = ''

beforeEach(async () => {
  bed = await ControllerBed.create(api())
  namespace = `models-${bed.release}`
  poolKey = `${namespace}/llama`
})
afterEach(async () => {
  const pools = `/apis/loraplex.dev/v1alpha1/namespaces/${namespace}/modelpools`
  await api().ask('DELETE', pools)
  await api().ask('DELETE', `/apis/apps/v1/namespaces/${namespace}/deployments`)
  await bed[Symbol.asyncDispose]()
})

function revision(name: string): string {
  return revisionOf(poolKey, sha256(`https://models.example/${namespace}/${name}.tar.gz`))
}

/** Replicas on which each adapter is told to be loaded. */
function hostsOf(name: string): readonly string[] {
  return bed.node
    .of('llama')
    .filter(({ agent }) =>
      agent.orders
        .at(-1)
        ?.entries.some((one) => one.revision === revision(name) && one.want === 'Loaded'),
    )
    .map((pod) => pod.name)
    .toSorted()
}

const copies = (): readonly number[] => names.map((name) => hostsOf(name).length)

async function readyCount(): Promise<number> {
  const states = await Promise.all(
    names.map((name) => bed.readyOf('loraadapters', namespace, name)),
  )
  return states.filter((state) => state === 'True Ready').length
}

async function fullPool(gateway: StubGateway): Promise<void> {
  await bed.pool(namespace, 'llama', { replicas: 3, lora: { maxLoras: 2, maxCpuLoras: 8 } })
  for (const name of names) {
    await bed.adapter(namespace, name, poolKey)
  }
  gateway.acknowledge(poolKey, names.map(revision))
  await expect.poll(readyCount, { timeout: 60_000, interval: 100 }).toBe(names.length)
}

/** So many requests a second for one adapter, from now on. */
function traffic(gateway: StubGateway, name: string, perSecond: number): () => void {
  let arrivals = 0
  const timer = setInterval(() => {
    arrivals += perSecond / 5
    gateway.demand = {
      [poolKey]: { [revision(name)]: { waiting: 1, running: perSecond * 2, arrivals } },
    }
  }, 200)
  return () => {
    clearInterval(timer)
    gateway.demand = { [poolKey]: { [revision(name)]: { waiting: 0, running: 0, arrivals } } }
  }
}

test('adapters that do not fit everywhere have their copies, more with demand, through a new controller and a scale-down', async () => {
  let writes = 0
  const afterWrite = (): void => {
    writes += 1
  }
  let controller = await bed.controller({ writes: { afterWrite } })
  const gateway = await bed.gateway()
  await fullPool(gateway)
  expect(copies()).toEqual(names.map(() => 1))
  for (const { agent } of bed.node.of('llama')) {
    const loaded = agent.orders.at(-1)?.entries.filter(({ want }) => want === 'Loaded') ?? []
    expect(loaded.length).toBeLessThanOrEqual(8)
  }
  const stop = traffic(gateway, 'a0', 30)
  await expect
    .poll(() => hostsOf('a0').length, { timeout: 40_000, interval: 200 })
    .toBeGreaterThan(1)
  expect(copies().every((count) => count > 0)).toBe(true)

  // Nothing moves without a reason, and nobody is written to.
  const before = names.map((name) => hostsOf(name).join())
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const written = writes
  await new Promise((resolve) => setTimeout(resolve, 11_000))
  expect(writes - written).toBeLessThanOrEqual(1)
  expect(names.map((name) => hostsOf(name).join())).toEqual(before)

  // I12: the plan is in what replicas have.
  await controller.close()
  controller = await bed.controller()
  await eventually(() => controller.isLeading).toBe(true)
  await new Promise((resolve) => setTimeout(resolve, 12_000))
  expect(names.map((name) => hostsOf(name).join())).toEqual(before)
  stop()

  const onlyThere = new Map(bed.node.of('llama').map((pod) => [pod.name, soleCopiesOf(pod.name)]))
  const unready: string[] = []
  for (const { agent, name } of bed.node.of('llama')) {
    const drain = agent.drain.bind(agent)
    agent.drain = () => {
      unready.push(...(onlyThere.get(name) ?? []).filter((one) => hostsOf(one).join() === name))
      return drain()
    }
  }
  await bed.patchPool(namespace, 'llama', { replicas: 2 })
  await expect.poll(() => bed.node.of('llama').length, { timeout: 60_000, interval: 50 }).toBe(2)
  expect(unready).toEqual([])
  await eventually(() => copies().every((count) => count > 0)).toBe(true)
}, 240_000)

function soleCopiesOf(pod: string): readonly string[] {
  return names.filter((name) => hostsOf(name).join() === pod)
}

async function metric(controller: ControllerProcess, name: string): Promise<number | undefined> {
  const { body } = await request(`${controller.adminUrl}/metrics`)
  const line = (await body.text())
    .split('\n')
    .find((one) => one.startsWith(`loraplex_scaling_${name}{`) && one.includes(`"${poolKey}"`))
  return line === undefined ? undefined : Number(line.split(' ').at(-1))
}

test('other scalers read what is asked; engines that say nothing of it are told of', async () => {
  const controller = await bed.controller()
  const gateway = await bed.gateway()
  await bed.pool(namespace, 'llama', { replicas: 2 })
  await eventually(() => bed.readyOf('modelpools', namespace, 'llama')).toBe('True Ready')
  await eventually(() => metric(controller, 'replicas_ready')).toBe(2)
  expect(await metric(controller, 'replicas_desired')).toBe(2)
  expect(await metric(controller, 'queue_depth')).toBe(0)
  const stop = traffic(gateway, 'a0', 10)
  await eventually(() => metric(controller, 'requests_running')).toBe(20)
  expect(await metric(controller, 'requests_waiting')).toBe(1)
  expect(await metric(controller, 'queue_depth')).toBe(0.5)
  await expect
    .poll(() => metric(controller, 'arrivals_per_second'), { timeout: 30_000, interval: 500 })
    .toBeGreaterThan(8)
  // These agents' engines say that nothing runs.
  const inert = async (): Promise<string | undefined> =>
    (
      (await bed.poolStatus(namespace, 'llama')).conditions as { type: string; reason: string }[]
    ).find(({ type }) => type === 'SignalInert')?.reason
  await expect.poll(inert, { timeout: 90_000, interval: 500 }).toBe('EngineLoadInert')
  expect(await metric(controller, 'signal_missing')).toBe(1)
  stop()
}, 150_000)
