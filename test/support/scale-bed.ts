// One pool with many replicas on a real API server, and everything around it as light as it can be, so that what is
// measured is the controller and the gateway. They are processes of their own.
import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Agent, request } from 'undici'
import { annotations, labels, managedBy, replicaNameOf } from '../../src/api/cluster-names.ts'
import { startApiServer, type ApiServer } from './api-server.ts'
import { sha256 } from './builders.ts'
import { crdFolder } from './crd-server.ts'
import { gatewayDefaults } from './gateway-defaults.ts'
import { LightAgent } from './light-agent.ts'
import { startMeasured, type MeasuredProcess } from './measured-process.ts'
import { serverPids, usageOf, type ProcessUsage } from './process-usage.ts'

const group = '/apis/loraplex.dev/v1alpha1'
const release = 'loraplex'
/** Where the program is: compiled, as in the image, where that is given; reading TypeScript costs memory of its own. */
const sources =
  process.env['LORAPLEX_BAR_DIST'] ?? fileURLToPath(new URL('../../src', import.meta.url))
const extension = process.env['LORAPLEX_BAR_DIST'] === undefined ? 'ts' : 'js'

export interface Usage {
  readonly controller: ProcessUsage
  readonly gateway: ProcessUsage
  /** CPU seconds of the API server and its etcd. */
  readonly server: number
  readonly own: number
}

/** What the chart's NODE_OPTIONS say, and what Node makes of its memory limits: half of them for the old generation. */
const chartFlags = {
  controller: ['--max-semi-space-size=8', '--max-old-space-size=256'],
  gateway: ['--max-semi-space-size=32', '--max-old-space-size=512'],
} as const

export class ScaleBed implements AsyncDisposable {
  readonly #api: ApiServer
  readonly #folder: string
  readonly #profile: string | undefined
  readonly #depot: Server
  readonly #agents: LightAgent[] = []
  #passes = { count: 0, sum: 0 }
  #controller: MeasuredProcess | undefined
  #gateway: MeasuredProcess | undefined

  private constructor(api: ApiServer, folder: string, depot: Server, profile: string | undefined) {
    this.#api = api
    this.#folder = folder
    this.#depot = depot
    this.#profile = profile
  }

  static async start(replicas: number, profile?: string): Promise<ScaleBed> {
    const api = await startApiServer({
      crdPaths: [crdFolder],
      // Everything here comes from one address, as one user.
      flags: { 'max-requests-inflight': '800', 'max-mutating-requests-inflight': '400' },
    })
    const folder = await mkdtemp(join(tmpdir(), 'loraplex-scale-'))
    const bed = new ScaleBed(api, folder, await startDepot(), profile)
    await writeFile(bed.#secretFile, randomBytes(32))
    await api.createNamespace(release)
    await api.createNamespace('models')
    await bed.#startGateway()
    await bed.restartController()
    await bed.#put(`${group}/namespaces/models/modelpools`, {
      kind: 'ModelPool',
      metadata: { name: 'llama' },
      spec: {
        model: { uri: 'file:///models/base' },
        engine: { image: 'vllm/vllm-openai:v0.32.0' },
        lora: { maxCpuLoras: 1024 },
        allowedNamespaces: { from: 'All' },
        replicas,
      },
    })
    await bed.#startPods(replicas)
    return bed
  }

  get #secretFile(): string {
    return join(this.#folder, 'secret')
  }

  /** Tenants of these numbers, each with a namespace, a key and adapters. */
  async apply(from: number, to: number, adaptersEach: number): Promise<void> {
    let next = from
    const worker = async (): Promise<void> => {
      while (next < to) {
        const name = `t${next}`
        next += 1
        await this.#applyTenant(name, adaptersEach)
      }
    }
    await Promise.all(Array.from({ length: 16 }, worker))
  }

  /** The pool's own count first, which costs nobody anything, then each object. */
  async allReady(count: number): Promise<void> {
    const pool = `${group}/namespaces/models/modelpools/llama`
    for (;;) {
      const { body } = await this.#api.ask('GET', pool)
      if (body.status?.adapters?.routable === count) {
        break
      }
      await delay(500)
    }
    while ((await this.#readyCount()) < count) {
      await delay(1000)
    }
  }

  async restartController(): Promise<void> {
    await this.#controller?.end()
    this.#passes = { count: 0, sum: 0 }
    this.#controller = await this.#startProcess('controller', {
      namespace: release,
      podName: 'controller-0',
      adminPort: 0,
      adminAuth: { kind: 'None' },
      agentRollout: 'WithPool',
      settings: {
        image: 'registry.example/loraplex:1',
        imagePullPolicy: 'IfNotPresent',
        imagePullSecrets: [],
        releaseNamespace: release,
        depotUrl: `http://127.0.0.1:${portOf(this.#depot)}`,
        agentResources: {},
        runAsUser: 65_532,
      },
    })
  }

  /** As the command does in a pod: what reads kubeconfigs, which is large, is not loaded there. */
  #startProcess(name: 'controller' | 'gateway', options: object): Promise<MeasuredProcess> {
    const { url, ca, cert, key } = this.#api.admin
    const className = name === 'controller' ? 'ControllerProcess' : 'GatewayProcess'
    const credentials = { headers: {}, tls: { ca, cert, key } }
    const rest = { secretFile: this.#secretFile, host: '127.0.0.1', ...options }
    const script = `
      import { ${className} } from '${sources}/cluster/${name}-process.${extension}'
      import { createLogger } from '${sources}/telemetry/logger.${extension}'
      const logger = createLogger({ format: 'json', level: 'warn', write: (text) => process.stderr.write(text) })
      const credentials = ${JSON.stringify(credentials)}
      const access = { url: '${url}', namespace: '${release}', origin: 'bar', credentials: async () => credentials }
      const started = await ${className}.start(
        { ...${JSON.stringify(rest)}, access, logger },
        new AbortController().signal,
      )
      const { adminUrl, internalUrl } = started
      process.stderr.write(JSON.stringify({ isUp: true, adminUrl, internalUrl }) + '\\n')
      started.lost?.addEventListener('abort', () => process.exit(1)) // its figures would mean nothing
      process.once('SIGTERM', async () => {
        await (started.close?.() ?? started.stop(0, 0, AbortSignal.abort()))
        process.exit(0)
      })`
    const flags = chartFlags[name]
    return startMeasured(script, flags, this.#profile, '"isUp":true')
  }

  async usage(): Promise<Usage> {
    return {
      controller: usageOf(this.#controller?.pid ?? 0),
      gateway: usageOf(this.#gateway?.pid ?? 0),
      server: serverPids().reduce((sum, pid) => sum + usageOf(pid).cpu, 0),
      own: process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6,
    }
  }

  async report(): Promise<void> {
    const { controller, gateway } = await this.usage()
    const words = ({ rssMb, peakMb }: ProcessUsage): string =>
      `${rssMb.toFixed(0)} MB RSS (peak ${peakMb.toFixed(0)})`
    const { text } = await this.#controllerMetrics()
    const of = (name: string): number => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1])
    const heapMb = of('nodejs_heap_size_used_bytes') / 1024 / 1024
    console.log(
      `  controller ${words(controller)}, heap ${heapMb.toFixed(0)} MB, ${controller.cpu.toFixed(1)} s CPU so far; gateway ${words(gateway)}`,
    )
    const passes = of('loraplex_controller_pass_seconds_count')
    const sum = of('loraplex_controller_pass_seconds_sum')
    const meanMs = (1000 * (sum - this.#passes.sum)) / (passes - this.#passes.count)
    console.log(
      `  ${passes - this.#passes.count} passes since the last report, ${meanMs.toFixed(1)} ms in the mean; ${orders(this.#agents)} MB of catalogues sent so far`,
    )
    this.#passes = { count: passes, sum }
  }

  /** Of everybody, the server's own included; watches count when they end. */
  async requests(): Promise<number> {
    const { admin } = this.#api
    const agent = new Agent({ connect: { ca: admin.ca, cert: admin.cert, key: admin.key } })
    const answer = await request(`${admin.url}/metrics`, { dispatcher: agent })
    const text = await answer.body.text()
    await agent.close()
    return [...text.matchAll(/^apiserver_request_total\{.*\} (\S+)$/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    )
  }

  load(): string {
    return (loadavg()[0] ?? 0).toFixed(1)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#controller?.end()
    await this.#gateway?.end()
    this.#agents.forEach((agent) => agent.close())
    this.#depot.closeAllConnections()
    this.#depot.close()
    await this.#api.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #controllerMetrics(): Promise<{ readonly text: string }> {
    const answer = await request(`${this.#controller?.said['adminUrl'] ?? ''}/metrics`)
    return { text: await answer.body.text() }
  }

  async #readyCount(): Promise<number> {
    const { body } = await this.#api.ask('GET', `${group}/loraadapters`)
    const items = body.items as { status?: { conditions?: { type: string; status: string }[] } }[]
    return items.filter(({ status }) =>
      status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
    ).length
  }

  async #applyTenant(name: string, adapters: number): Promise<void> {
    await this.#api.createNamespace(name)
    await this.#put(`${group}/modeltenants`, { kind: 'ModelTenant', metadata: { name }, spec: {} })
    await this.#put(`${group}/namespaces/${name}/tenantkeys`, {
      kind: 'TenantKey',
      metadata: { name: 'key' },
      spec: { sha256: sha256(`key of ${name}`) },
    })
    for (let at = 0; at < adapters; at += 1) {
      await this.#put(`${group}/namespaces/${name}/loraadapters`, {
        kind: 'LoraAdapter',
        metadata: { name: `a${at}` },
        spec: {
          poolRefs: [{ name: 'llama', namespace: 'models' }],
          source: { uri: `https://models.example/${name}/a${at}.tar.gz` },
          residency: { minCopies: 1, maxCopies: 1 },
        },
      })
    }
  }

  async #startGateway(): Promise<void> {
    this.#gateway = await this.#startProcess('gateway', gatewayDefaults)
    const port = Number(new URL(this.#gateway.said['internalUrl'] ?? '').port)
    await this.#pod(release, '127.0.0.1', {
      metadata: { name: 'gateway-0', labels: { [labels.component]: 'gateway' } },
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
  }

  /** What the Deployment would come to. */
  async #startPods(replicas: number): Promise<void> {
    const path = '/apis/apps/v1/namespaces/models/deployments/llama-engine'
    let deployment = await this.#api.ask('GET', path)
    while (deployment.status !== 200) {
      await delay(200)
      deployment = await this.#api.ask('GET', path)
    }
    const { metadata } = deployment.body.spec.template
    for (let at = 0; at < replicas; at += 1) {
      const agent = new LightAgent(`127.77.${at + 1}.1`)
      this.#agents.push(agent)
      const name = `llama-engine-${at}`
      const made = await this.#pod('models', agent.address, {
        metadata: {
          name,
          labels: { ...metadata.labels, [labels.managedBy]: managedBy },
          annotations: { ...metadata.annotations },
        },
        spec: { containers: [{ name: 'vllm', image: 'vllm' }] },
      })
      await agent.listen(replicaNameOf(made.metadata))
    }
    await this.#api.ask('PATCH', `${path}/status`, {
      status: {
        observedGeneration: deployment.body.metadata.generation,
        replicas,
        updatedReplicas: replicas,
        readyReplicas: replicas,
      },
    })
    if (metadata.annotations[annotations.servedModelName] === undefined) {
      throw new Error('the template does not say how the base is called')
    }
  }

  async #pod(
    namespace: string,
    address: string,
    pod: { metadata: { name: string; [more: string]: unknown }; spec: object },
  ) {
    const pods = `/api/v1/namespaces/${namespace}/pods`
    const made = await this.#put(pods, pod)
    await this.#api.ask('PATCH', `${pods}/${pod.metadata.name}/status`, {
      status: {
        phase: 'Running',
        podIP: address,
        podIPs: [{ ip: address }],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    })
    return made
  }

  async #put(path: string, object: object) {
    const typed = path.startsWith(group)
      ? { apiVersion: 'loraplex.dev/v1alpha1', ...object }
      : object
    const { status, body } = await this.#api.ask('POST', path, typed)
    if (status >= 300) {
      throw new Error(`${path}: ${status} ${JSON.stringify(body)}`)
    }
    return body
  }
}

/** Has every adapter that is asked for, and finds nothing wrong with any. */
async function startDepot(): Promise<Server> {
  const server = createServer((incoming, response) => {
    const pieces: Buffer[] = []
    incoming.on('data', (piece: Buffer) => pieces.push(piece))
    incoming.on('end', () => {
      response.setHeader('content-type', 'application/json')
      const path = (incoming.url ?? '').split('?')[0] ?? ''
      response.end(JSON.stringify(depotAnswer(path, Buffer.concat(pieces).toString())))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function depotAnswer(path: string, body: string): object {
  const digest = /\/v1\/adapters\/([0-9a-f]{64})/.exec(path)?.[1]
  if (path === '/v1/fetch') {
    const found = sha256((JSON.parse(body) as { uri: string }).uri)
    return { outcome: 'Stored', adapter: { digest: found, path: found, sizeBytes: 50_000_000 } }
  }
  if (path === '/v1/preflight') {
    return { verdict: 'Compatible', facts: { rank: 16 }, notices: [] }
  }
  return digest === undefined ? { deleted: 0, missing: {} } : { digest, sizeBytes: 50_000_000 }
}

function orders(agents: readonly LightAgent[]): string {
  return (agents.reduce((sum, { bytes }) => sum + bytes, 0) / 1024 / 1024).toFixed(0)
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
