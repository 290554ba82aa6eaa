// Controllers of a cluster on a real API server: objects are real, pods are those of `ClusterNode`, the depot and the
// gateways say what a test tells them to.
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { AgentLink } from '../../src/api/agent-protocol.ts'
import type { DemandMessage } from '../../src/api/gateway-protocol.ts'
import {
  ControllerProcess,
  type ControllerProcessOptions,
} from '../../src/cluster/controller-process.ts'
import type { ApiServer } from './api-server.ts'
import { secretOf, sha256 } from './builders.ts'
import { clusterAccessOf } from './cluster-access-of.ts'
import { ClusterNode, obedientPods, type ObedientAgent, type StartPod } from './cluster-node.ts'

const group = '/apis/loraplex.dev/v1alpha1'

export class ControllerBed<A extends AgentLink = ObedientAgent> implements AsyncDisposable {
  readonly secret: Buffer
  readonly api: ApiServer
  readonly node: ClusterNode<A>
  readonly release: string
  readonly #folder: string
  readonly #depot: StubDepot
  readonly #closers: (() => Promise<unknown>)[] = []

  private constructor(parts: {
    readonly api: ApiServer
    readonly secret: Buffer
    readonly folder: string
    readonly depot: StubDepot
    readonly release: string
    readonly startPod: StartPod<A>
  }) {
    this.api = parts.api
    this.secret = parts.secret
    this.#folder = parts.folder
    this.#depot = parts.depot
    this.release = parts.release
    this.node = new ClusterNode(parts.api, parts.startPod)
  }

  static create(api: ApiServer): Promise<ControllerBed> {
    const secret = randomBytes(32)
    return ControllerBed.with(api, secret, obedientPods(secret))
  }

  /** With other pods than those that do what they are told. */
  static async with<A extends AgentLink>(
    api: ApiServer,
    secret: Buffer,
    startPod: StartPod<A>,
  ): Promise<ControllerBed<A>> {
    const folder = await mkdtemp(join(tmpdir(), 'loraplex-bed-'))
    const release = `release-${randomBytes(3).toString('hex')}`
    await api.createNamespace(release)
    await writeFile(join(folder, 'secret'), secret)
    const depot = await StubDepot.start()
    return new ControllerBed({ api, secret, folder, depot, release, startPod })
  }

  get secretFile(): string {
    return join(this.#folder, 'secret')
  }

  options(): ControllerProcessOptions {
    return {
      access: clusterAccessOf(this.api.admin),
      secretFile: this.secretFile,
      namespace: this.release,
      podName: 'controller-0',
      host: '127.0.0.1',
      adminPort: 0,
      adminAuth: { kind: 'None' },
      settings: {
        image: 'registry.example/loraplex:1',
        imagePullPolicy: 'IfNotPresent',
        imagePullSecrets: [],
        releaseNamespace: this.release,
        depotUrl: this.#depot.url,
        agentResources: {},
        runAsUser: 65_532,
      },
      agentRollout: 'WithPool',
      logger: pino({ level: process.env['LORAPLEX_TEST_LOG'] ?? 'silent' }),
    }
  }

  async controller(more: Partial<ControllerProcessOptions> = {}): Promise<ControllerProcess> {
    const signal = new AbortController().signal
    const started = await ControllerProcess.start({ ...this.options(), ...more }, signal)
    this.#closers.push(() => started.close())
    return started
  }

  /** A ready gateway pod. It acknowledges whatever it is told to; demand is what a test sets. */
  async gateway(name = 'gateway-0'): Promise<StubGateway> {
    const gateway = await StubGateway.start()
    this.#closers.push(() => gateway.close())
    await this.gatewayPod(name, gateway.port)
    return gateway
  }

  /** Where controllers find a gateway that listens to them on this port. */
  async gatewayPod(name: string, port: number): Promise<void> {
    const pods = `/api/v1/namespaces/${this.release}/pods`
    await this.put(pods, {
      metadata: { name, labels: { 'app.kubernetes.io/component': 'gateway' } },
      spec: {
        containers: [
          {
            name: 'gateway',
            image: 'loraplex',
            ports: [{ name: 'internal', containerPort: port }],
          },
        ],
      },
    })
    await this.patch(`${pods}/${name}/status`, {
      status: {
        phase: 'Running',
        podIP: '127.0.0.1',
        podIPs: [{ ip: '127.0.0.1' }],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    })
  }

  async pool(namespace: string, name: string, more: object = {}): Promise<void> {
    await this.api.createNamespace(namespace)
    await this.put(`${group}/namespaces/${namespace}/modelpools`, {
      kind: 'ModelPool',
      metadata: { name },
      spec: {
        model: { uri: 'file:///models/base' },
        engine: { image: 'vllm/vllm-openai:v0.32.0' },
        allowedNamespaces: { from: 'All' },
        ...more,
      },
    })
  }

  patchPool(namespace: string, name: string, spec: object) {
    return this.patch(`${group}/namespaces/${namespace}/modelpools/${name}`, { spec })
  }

  async poolStatus(namespace: string, name: string) {
    const path = `${group}/namespaces/${namespace}/modelpools/${name}`
    return (await this.api.ask('GET', path)).body.status
  }

  async tenant(name: string): Promise<void> {
    await this.api.createNamespace(name)
    await this.put(`${group}/modeltenants`, {
      kind: 'ModelTenant',
      metadata: { name },
      spec: {},
    })
    await this.put(`${group}/namespaces/${name}/tenantkeys`, {
      kind: 'TenantKey',
      metadata: { name: 'key' },
      spec: { sha256: sha256(secretOf(name)) },
    })
  }

  async adapter(namespace: string, name: string, poolKey: string, more: object = {}) {
    const [poolNamespace = '', pool = ''] = poolKey.split('/')
    await this.put(`${group}/namespaces/${namespace}/loraadapters`, {
      kind: 'LoraAdapter',
      metadata: { name },
      spec: {
        poolRefs: [{ name: pool, namespace: poolNamespace }],
        source: { uri: `https://models.example/${namespace}/${name}.tar.gz` },
        ...more,
      },
    })
  }

  async readyOf(kind: 'loraadapters' | 'modelpools', namespace: string, name: string) {
    const { body } = await this.api.ask('GET', `${group}/namespaces/${namespace}/${kind}/${name}`)
    const conditions = (body.status?.conditions ?? []) as {
      type: string
      status: string
      reason: string
    }[]
    const ready = conditions.find(({ type }) => type === 'Ready')
    return ready === undefined ? 'none' : `${ready.status} ${ready.reason}`
  }

  deployment(namespace: string, pool: string) {
    return this.api.ask('GET', `/apis/apps/v1/namespaces/${namespace}/deployments/${pool}-engine`)
  }

  async put(path: string, object: object) {
    const typed = path.startsWith(group)
      ? { apiVersion: 'loraplex.dev/v1alpha1', ...object }
      : object
    return this.#done(await this.api.ask('POST', path, typed), path)
  }

  async patch(path: string, patch: object) {
    return this.#done(await this.api.ask('PATCH', path, patch), path)
  }

  #done({ status, body }: Awaited<ReturnType<ApiServer['ask']>>, path: string) {
    if (status >= 300) {
      throw new Error(`${path}: ${status} ${JSON.stringify(body)}`)
    }
    return body
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) {
      await close()
    }
    await this.node[Symbol.asyncDispose]()
    await this.#depot.close()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** Has every adapter that is asked for, and finds nothing wrong with any. */
class StubDepot {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<StubDepot> {
    const server = createServer((request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => answer(request.url ?? '', Buffer.concat(pieces).toString(), response))
    })
    await listening(server)
    return new StubDepot(server)
  }

  get url(): string {
    return `http://127.0.0.1:${portOf(this.#server)}`
  }

  close(): Promise<void> {
    return closed(this.#server)
  }
}

function answer(url: string, body: string, response: ServerResponse): void {
  const path = url.split('?')[0] ?? ''
  const digest = /\/v1\/adapters\/([0-9a-f]{64})/.exec(path)?.[1]
  const say = (value: object): void => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(value))
  }
  if (path === '/v1/fetch') {
    const { uri } = JSON.parse(body) as { uri: string }
    say({ outcome: 'Stored', adapter: { digest: sha256(uri), path: sha256(uri), sizeBytes: 1000 } })
  } else if (path === '/v1/preflight') {
    say({ verdict: 'Compatible', facts: { rank: 8 }, notices: [] })
  } else if (digest !== undefined) {
    say({ digest, sizeBytes: 1000 })
  } else {
    say({ deleted: 0 })
  }
}

/** Says over `GET /v1/demand` what a test tells it to, at least every 200 ms. */
export class StubGateway {
  demand: DemandMessage['pools'] = {}
  /** Undefined: it is from before gateways counted tokens. */
  work: DemandMessage['work']
  /** Nothing more is said; the connection stays. */
  isSilent = false
  readonly #server: Server
  readonly #streams = new Set<ServerResponse>()
  readonly #routable = new Map<string, readonly string[]>()
  readonly #timer: NodeJS.Timeout

  private constructor(server: Server) {
    this.#server = server
    server.on('request', (_request, response: ServerResponse) => {
      this.#streams.add(response)
      response.on('close', () => this.#streams.delete(response))
      this.#send(response, { type: 'hello', gateway: 'stub' })
      for (const [poolKey, revisions] of this.#routable) {
        this.#send(response, { type: 'routable', poolKey, revisions })
      }
    })
    this.#timer = setInterval(() => this.say(), 200)
  }

  static async start(): Promise<StubGateway> {
    const server = createServer()
    await listening(server)
    return new StubGateway(server)
  }

  get port(): number {
    return portOf(this.#server)
  }

  /** Its demand, now. */
  say(): void {
    if (!this.isSilent) {
      const { demand: pools, work } = this
      this.#all({ type: 'demand', pools, ...(work === undefined ? {} : { work }) })
    }
  }

  acknowledge(poolKey: string, revisions: readonly string[]): void {
    this.#routable.set(poolKey, revisions)
    this.#all({ type: 'routable', poolKey, revisions })
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await closed(this.#server)
  }

  #all(message: object): void {
    for (const response of this.#streams) {
      this.#send(response, message)
    }
  }

  #send(response: ServerResponse, message: object): void {
    response.write(`${JSON.stringify(message)}\n`)
  }
}

async function listening(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise<void>((resolve) => server.close(() => resolve()))
}
