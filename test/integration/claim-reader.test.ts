// Adapters on claims of the pool's namespace: real objects on a real API server, which admits restricted pods only; the
// pod's process and the depot are real too. Scheduler, kubelet and garbage collector are played.
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createClaimServer } from '../../src/artifacts/claim/claim-server.ts'
import { digestFolder } from '../../src/artifacts/digest.ts'
import type { DepotProcess } from '../../src/cluster/depot-process.ts'
import type { ControllerProcess } from '../../src/cluster/controller-process.ts'
import { listen, urlOf } from '../../src/telemetry/listen.ts'
import { ControllerBed } from '../support/controller-bed.ts'
import { crdFolder } from '../support/crd-server.ts'
import { eventually } from '../support/eventually.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'
import { startDepot } from '../support/start-depot.ts'

const api = sharedApiServer({ crdPaths: [crdFolder] })
const fixture = 'test/fixtures/adapters/acme-tickets'
const logger = pino({ level: 'silent' })
const deployments = '/apis/apps/v1/namespaces/claims/deployments'
const pods = '/api/v1/namespaces/claims/pods'

// What tests read of an object.
// oxlint-disable-next-line typescript/no-explicit-any
type Deep = any

let bed: ControllerBed
let folder: string
let depot: DepotProcess
const servers: FastifyInstance[] = []

beforeEach(async () => {
  bed = await ControllerBed.create(api())
  folder = await mkdtemp(join(tmpdir(), 'loraplex-claims-'))
  depot = await startDepot({
    cacheFolder: join(folder, 'cache'),
    secretFile: bed.secretFile,
  })
  await api().createNamespace('claims')
  await bed.patch('/api/v1/namespaces/claims', {
    metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  })
  await bed.pool('claims', 'llama', { replicas: 0, allowedNamespaces: { from: 'Same' } })
})

afterEach(async () => {
  await bed[Symbol.asyncDispose]()
  await depot.close()
  await Promise.all(servers.splice(0).map((server) => server.close()))
  await rm(folder, { recursive: true, force: true })
  for (const path of [
    deployments,
    pods,
    '/apis/networking.k8s.io/v1/namespaces/claims/networkpolicies',
    '/apis/loraplex.dev/v1alpha1/namespaces/claims/modelpools',
    '/apis/loraplex.dev/v1alpha1/namespaces/claims/loraadapters',
  ]) {
    await api().ask('DELETE', `${path}?gracePeriodSeconds=0`)
  }
})

function controller(timing = { patienceMs: 1500, idleMs: 600_000, sweepMs: 200 }) {
  const settings = { ...bed.options().settings, depotUrl: depot.url }
  return bed.controller({ settings, readerTiming: timing })
}

function adapter(name: string, uri: string): Promise<void> {
  return bed.adapter('claims', name, 'claims/llama', { source: { uri } })
}

async function fetched(name: string): Promise<string> {
  const path = `/apis/loraplex.dev/v1alpha1/namespaces/claims/loraadapters/${name}`
  const { body } = await api().ask('GET', path)
  const one = body.status?.conditions?.find(({ type }: Deep) => type === 'Fetched')
  return `${one?.status} ${one?.reason} ${one?.message}`
}

async function readers(): Promise<readonly Deep[]> {
  const selector = 'labelSelector=app.kubernetes.io/component=reader'
  const { body } = await api().ask('GET', `${deployments}?${selector}`)
  return body.items
}

async function readerOf(claim: string): Promise<Deep> {
  let found: Deep
  await eventually(async () => {
    found = (await readers()).find(
      ({ metadata }) => metadata.annotations['loraplex.dev/claim'] === claim,
    )
    return found !== undefined
  }).toBe(true)
  return found
}

/** The pod of a Deployment, as its ReplicaSet makes it. */
async function makePod(deployment: Deep, port = 8300): Promise<string> {
  const { template } = deployment.spec
  const name = `${deployment.metadata.name}-0`
  const spec = structuredClone(template.spec)
  spec.containers[0].ports[0].containerPort = port
  // Nobody admits service accounts here; a node is not asked whether it is there.
  spec.nodeName = 'node-1'
  await bed.put(pods, { metadata: { ...template.metadata, name }, spec })
  return name
}

async function tellPod(name: string, status: object): Promise<void> {
  await bed.patch(`${pods}/${name}/status`, { status })
}

/** Runs what the Deployment says, on a real port with a real folder. */
async function runReader(deployment: Deep, root: string): Promise<void> {
  const args: string[] = deployment.spec.template.spec.containers[0].args
  const argument = (name: string): string =>
    args.find((one) => one.startsWith(`--${name}=`))?.slice(name.length + 3) ?? ''
  const server = await createClaimServer({
    folder: root,
    claim: argument('claim'),
    tokenDigest: argument('token-digest'),
    logger,
  })
  servers.push(server)
  await listen(server, '127.0.0.1', 0, '--port')
  const name = await makePod(deployment, Number(new URL(urlOf(server)).port))
  await tellPod(name, {
    phase: 'Running',
    podIP: '127.0.0.1',
    podIPs: [{ ip: '127.0.0.1' }],
    conditions: [{ type: 'Ready', status: 'True' }],
  })
}

test('an adapter on a claim of the pool’s namespace is fetched, through a pod that goes when idle', async () => {
  const root = join(folder, 'weights')
  await cp(fixture, join(root, 'acme', 'tickets'), { recursive: true })
  let running: ControllerProcess = await controller()
  await adapter('tickets', 'pvc://weights/acme/tickets')
  const reader = await readerOf('weights')
  expect(reader.metadata.ownerReferences).toMatchObject([
    { kind: 'ModelPool', name: 'llama', controller: true },
  ])
  expect(reader.spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } })
  const { spec } = reader.spec.template
  expect(spec).toMatchObject({ automountServiceAccountToken: false })
  expect(spec.volumes).toEqual([
    { name: 'claim', persistentVolumeClaim: { claimName: 'weights', readOnly: true } },
  ])
  expect(JSON.stringify(spec)).not.toContain('secretKeyRef')
  await runReader(reader, root)
  const digest = await digestFolder(fixture)
  await eventually(() => fetched('tickets')).toBe(`True Fetched sha256:${digest}`)
  expect(await readers()).toHaveLength(1)
  // The next leader finds it, and nothing that needs it.
  await running.close()
  running = await controller({ patienceMs: 1500, idleMs: 500, sweepMs: 200 })
  await eventually(() => readers()).toEqual([])
  expect(await fetched('tickets')).toContain('True Fetched')
})

test('who needs a pod while idle ones are removed keeps it, or gets another', async () => {
  const first = await controller()
  await adapter('one', 'pvc://one/a')
  await adapter('two', 'pvc://two/a')
  const before = { one: await readerOf('one'), two: await readerOf('two') }
  await first.close()
  const adapters = '/apis/loraplex.dev/v1alpha1/namespaces/claims/loraadapters'
  await api().ask('DELETE', adapters)
  // Idle for the next leader, whose first removal takes as long as this test likes.
  const held = Promise.withResolvers<string>()
  const go = Promise.withResolvers<void>()
  const applied = new Set<string>()
  const settings = { ...bed.options().settings, depotUrl: depot.url }
  await bed.controller({
    settings,
    readerTiming: { patienceMs: 60_000, idleMs: 300, sweepMs: 100 },
    writes: {
      beforeWrite: ({ verb, type, key }) => {
        if (type.kind !== 'Deployment' || verb !== 'delete') {
          applied.add(key.name)
          return undefined
        }
        held.resolve(key.name)
        return go.promise
      },
    },
  })
  const going = await held.promise
  const [gone, other] =
    going === before.one.metadata.name ? (['one', 'two'] as const) : (['two', 'one'] as const)
  await adapter('again-gone', `pvc://${gone}/a`)
  await adapter('again-other', `pvc://${other}/a`)
  await eventually(() => applied.has(before[other].metadata.name)).toBe(true)
  go.resolve()
  await eventually(async () => {
    const { uid } = (await readerOf(gone)).metadata
    return uid === before[gone].metadata.uid
  }).toBe(false)
  expect((await readerOf(other)).metadata.uid).toBe(before[other].metadata.uid)
})

test('is shut in: the depot asks it, and it asks nobody', async () => {
  await controller()
  const path = '/apis/networking.k8s.io/v1/namespaces/claims/networkpolicies/llama-reader'
  let policy: Deep
  await eventually(async () => {
    policy = await api().ask('GET', path)
    return policy.status
  }).toBe(200)
  expect(policy.body.spec).toEqual({
    podSelector: {
      matchLabels: { 'loraplex.dev/pool': 'llama', 'app.kubernetes.io/component': 'reader' },
    },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [
      {
        from: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': bed.release } },
            podSelector: { matchLabels: { 'app.kubernetes.io/component': 'depot' } },
          },
        ],
        ports: [{ protocol: 'TCP', port: 8300 }],
      },
    ],
  })
})

test('a claim that cannot be mounted is a condition of its adapters, and of nobody else’s', async () => {
  const root = join(folder, 'good')
  await cp(fixture, join(root, 'tickets'), { recursive: true })
  await controller()
  await adapter('a', 'pvc://absent/a')
  await adapter('b', 'pvc://unbound/b')
  await adapter('c', 'pvc://elsewhere/c')
  await adapter('d', 'pvc://refused/d')
  await adapter('good', 'pvc://good/tickets')
  const unscheduled = (message: string) => ({
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
  })
  await tellPod(
    await makePod(await readerOf('absent')),
    unscheduled(
      '0/3 nodes are available: persistentvolumeclaim "absent" not found. not found preemption: 0/3.',
    ),
  )
  await tellPod(
    await makePod(await readerOf('unbound')),
    unscheduled('0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.'),
  )
  await tellPod(await makePod(await readerOf('elsewhere')), {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'True' }],
    containerStatuses: [
      {
        name: 'reader',
        image: 'x',
        imageID: '',
        ready: false,
        restartCount: 0,
        state: { waiting: { reason: 'ContainerCreating' } },
      },
    ],
  })
  const refused = await readerOf('refused')
  await bed.patch(`${deployments}/${refused.metadata.name}/status`, {
    status: {
      conditions: [
        {
          type: 'ReplicaFailure',
          status: 'True',
          reason: 'FailedCreate',
          message: 'pods "x" is forbidden: exceeded quota: small',
        },
      ],
    },
  })
  await runReader(await readerOf('good'), root)
  await eventually(() => fetched('good')).toContain('True Fetched')
  await eventually(() => fetched('a')).toContain(
    'False ClaimNotMounted There is no PersistentVolumeClaim absent in namespace claims',
  )
  await eventually(() => fetched('b')).toContain('kubectl describe pvc -n claims unbound')
  await eventually(() => fetched('c')).toContain('Multi-Attach')
  await eventually(() => fetched('d')).toContain('exceeded quota: small')
  // The claim comes: what failed is tried again.
  const absent = await readerOf('absent')
  await api().ask('DELETE', `${pods}/${absent.metadata.name}-0?gracePeriodSeconds=0`)
  await cp(fixture, join(folder, 'absent', 'a'), { recursive: true })
  await runReader(absent, join(folder, 'absent'))
  await eventually(() => fetched('a')).toContain('True Fetched')
})

test('a pool with adapters on too many claims makes no more pods than that', async () => {
  await controller()
  for (let at = 0; at < 18; at += 1) {
    await adapter(`many-${at}`, `pvc://claim-${at}/a`)
  }
  await eventually(async () => {
    const all = await Promise.all(Array.from({ length: 18 }, (_, at) => fetched(`many-${at}`)))
    return all.filter((one) => one.includes('16 other claims are being read')).length
  }).toBe(2)
  expect(await readers()).toHaveLength(16)
})
