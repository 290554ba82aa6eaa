import { randomBytes, randomInt } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { request } from 'undici'
import { createAgentServer } from '../../src/agent/server/agent-server.ts'
import { annotations, labels, replicaNameOf } from '../../src/api/cluster-names.ts'
import { engineNameOf, revisionOf, servedModelNameOf } from '../../src/api/names.ts'
import { GatewayProcess, type GatewayProcessOptions } from '../../src/cluster/gateway-process.ts'
import type { ClusterAccess } from '../../src/resources/kubernetes/cluster-access.ts'
import { connectToCluster } from '../../src/resources/kubernetes/connect.ts'
import { h100Llama8b } from '../../src/sim/profile.ts'
import { startSimulator, type Simulator } from '../../src/sim/server.ts'
import { agentToken, engineKey } from '../../src/wire/internal-auth.ts'
import type { ApiServer } from './api-server.ts'
import { secretOf, sha256 } from './builders.ts'
import { gatewayDefaults } from './gateway-defaults.ts'
import { ScriptedAgent } from './scripted-agent.ts'

const group = '/apis/loraplex.dev/v1alpha1'
const fixture = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url))

/** A pod of the cluster: its object on the API server, and engine and agent on an address of its own. */
export interface BedPod {
  readonly name: string
  readonly namespace: string
  readonly poolKey: string
  readonly address: string
  readonly replica: string
  readonly agent: ScriptedAgent
  readonly engine: Simulator
  /** Engine and agent end, the object stays. */
  die(): Promise<void>
}

export interface PodOptions {
  readonly pool?: string
  readonly namespace?: string
  readonly poolRevision?: string
  /** Of another pod, to use it again. */
  readonly address?: string
  readonly isSlow?: boolean
}

/**
 * Gateways of a cluster on a real API server: pools, tenants, keys and adapters are real objects, pods are objects with
 * simulated engines and scripted agents behind real ports.
 */
export class ClusterBed {
  readonly secret = randomBytes(32)
  readonly #api: ApiServer
  readonly #folder: string
  readonly #access: ClusterAccess
  readonly #closers: (() => Promise<unknown>)[] = []

  private constructor(api: ApiServer, folder: string, access: ClusterAccess) {
    this.#api = api
    this.#folder = folder
    this.#access = access
  }

  static async create(api: ApiServer): Promise<ClusterBed> {
    const folder = await mkdtemp(join(tmpdir(), 'loraplex-bed-'))
    const access = await connectToCluster({ kubeconfig: api.kubeconfigPath })
    const bed = new ClusterBed(api, folder, access)
    await writeFile(bed.secretFile, bed.secret)
    return bed
  }

  get secretFile(): string {
    return join(this.#folder, 'secret')
  }

  get access(): ClusterAccess {
    return this.#access
  }

  /** The same cluster by another port. */
  accessVia(port: number): ClusterAccess {
    const { namespace, origin } = this.#access
    return {
      url: `https://127.0.0.1:${port}`,
      namespace,
      origin,
      credentials: () => this.#access.credentials(),
    }
  }

  async pool(namespace: string, name: string, more: object = {}): Promise<void> {
    await this.#api.createNamespace(namespace)
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

  /** With a namespace, a key, and an adapter on a pool that answers. */
  async tenant(name: string, adapter: string, poolKey: string): Promise<void> {
    const [namespace = '', pool = ''] = poolKey.split('/')
    await this.#api.createNamespace(name)
    await this.put(`${group}/modeltenants`, {
      kind: 'ModelTenant',
      metadata: { name },
      spec: { models: [{ name: 'base', targetRef: { kind: 'ModelPool', name: pool, namespace } }] },
    })
    await this.put(`${group}/namespaces/${name}/tenantkeys`, {
      kind: 'TenantKey',
      metadata: { name: 'key' },
      spec: { sha256: sha256(secretOf(name)) },
    })
    await this.adapter(name, adapter, poolKey)
  }

  /** One that answers. */
  async adapter(tenant: string, name: string, poolKey: string): Promise<void> {
    const [namespace = '', pool = ''] = poolKey.split('/')
    await this.put(`${group}/namespaces/${tenant}/loraadapters`, {
      kind: 'LoraAdapter',
      metadata: { name },
      spec: {
        poolRefs: [{ name: pool, namespace }],
        source: { uri: 'https://models.example/adapter.tar.gz' },
      },
    })
    await this.activate(tenant, name, poolKey)
  }

  /** As the controller would, once replicas have it. */
  async activate(namespace: string, adapter: string, poolKey: string): Promise<void> {
    const digest = sha256(`${namespace}/${adapter}`)
    await this.patch(`${group}/namespaces/${namespace}/loraadapters/${adapter}/status`, {
      status: {
        observedGeneration: 1,
        conditions: [
          {
            type: 'Ready',
            status: 'True',
            reason: 'Ready',
            message: '',
            observedGeneration: 1,
            lastTransitionTime: '2026-11-20T00:00:00Z',
          },
        ],
        revisions: [
          { revision: revisionIn(poolKey, `${namespace}/${adapter}`), digest, role: 'Active' },
        ],
        copies: { routable: 1, wanted: 1 },
      },
    })
  }

  async revoke(tenant: string): Promise<void> {
    await this.patch(`${group}/namespaces/${tenant}/tenantkeys/key`, { spec: { revoked: true } })
  }

  /** A running pod whose engine has these adapters (`namespace/name` to a folder of fixtures) proved. */
  async pod(
    name: string,
    adapters: Readonly<Record<string, string>>,
    options: PodOptions = {},
  ): Promise<BedPod> {
    const { pool = 'llama', namespace = 'models', poolRevision = '0123456789' } = options
    const poolKey = `${namespace}/${pool}`
    const address = options.address ?? freshAddress()
    const servedModelName = servedModelNameOf(poolKey, 'file:///models/base', poolRevision)
    const made = await this.put(`/api/v1/namespaces/${namespace}/pods`, {
      metadata: {
        name,
        labels: {
          [labels.component]: 'engine',
          [labels.pool]: pool,
          [labels.poolRevision]: poolRevision,
        },
        annotations: { [annotations.servedModelName]: servedModelName },
        // Nobody ends pods here: one that is deleted stays, as it does while its streams end.
        finalizers: ['loraplex.dev/test'],
      },
      spec: { containers: [{ name: 'vllm', image: 'vllm' }] },
    })
    const replica = replicaNameOf(made.metadata)
    const apiKey = engineKey(this.secret, poolKey, poolRevision)
    const engine = await startSimulator({
      host: address,
      port: 8000,
      apiKey,
      modelPath: fixture('tiny-llama'),
      servedModelNames: [servedModelName],
      maxLoras: 4,
      maxCpuLoras: 16,
      maxRank: 32,
      ...(options.isSlow === true ? { profile: h100Llama8b } : {}),
    })
    const agent = new ScriptedAgent(replica)
    agent.up(`process of ${replica}`)
    for (const [adapter, folder] of Object.entries(adapters)) {
      await load(
        engine,
        apiKey,
        engineNameOf(revisionIn(poolKey, adapter)),
        fixture(`adapters/${folder}`),
      )
      agent.routable(revisionIn(poolKey, adapter))
    }
    const server = await serveAgent(agent, address, agentToken(this.secret, poolKey))
    const die = async (): Promise<void> => {
      await Promise.all([server.close(), engine.close()])
    }
    this.#closers.push(die)
    await this.patch(`/api/v1/namespaces/${namespace}/pods/${name}/status`, {
      status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] },
    })
    return { name, namespace, poolKey, address, replica, agent, engine, die }
  }

  /** As when kubectl deletes it: the object says so, and stays while the pod lasts. */
  async deletePod({ namespace, name }: BedPod): Promise<void> {
    await this.#api.ask('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`)
  }

  async removePod(pod: BedPod): Promise<void> {
    await this.deletePod(pod)
    await this.patch(`/api/v1/namespaces/${pod.namespace}/pods/${pod.name}`, {
      metadata: { finalizers: null },
    })
  }

  async gateway(
    options: Partial<GatewayProcessOptions> = {},
    signal: AbortSignal = new AbortController().signal,
  ): Promise<GatewayProcess> {
    const gateway = await GatewayProcess.start(
      {
        access: this.#access,
        secretFile: this.secretFile,
        host: '127.0.0.1',
        ...gatewayDefaults,
        logger: pino({ level: 'silent' }),
        ...options,
      },
      signal,
    )
    this.#closers.push(() => gateway.stop(0, 0, AbortSignal.abort()))
    return gateway
  }

  async put(path: string, object: object) {
    const typed = path.startsWith(group)
      ? { apiVersion: 'loraplex.dev/v1alpha1', ...object }
      : object
    return this.#done(await this.#api.ask('POST', path, typed), path)
  }

  async patch(path: string, patch: object) {
    return this.#done(await this.#api.ask('PATCH', path, patch), path)
  }

  #done({ status, body }: Awaited<ReturnType<ApiServer['ask']>>, path: string) {
    if (status >= 300) {
      throw new Error(`${path}: ${status} ${JSON.stringify(body)}`)
    }
    return body
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) {
      await close()
    }
    await rm(this.#folder, { recursive: true, force: true })
  }
}

export function revisionIn(poolKey: string, adapter: string): string {
  return revisionOf(poolKey, sha256(adapter))
}

/** On loopback; engines and agents have fixed ports, so each pod needs its own. */
function freshAddress(): string {
  return `127.${randomInt(20, 250)}.${randomInt(1, 250)}.${randomInt(1, 250)}`
}

async function load(engine: Simulator, apiKey: string, name: string, path: string): Promise<void> {
  const answer = await request(`${engine.url}/v1/load_lora_adapter`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ lora_name: name, lora_path: path }),
  })
  const text = await answer.body.text()
  if (answer.statusCode !== 200) {
    throw new Error(`${name} was not loaded: ${text}`)
  }
}

async function serveAgent(
  agent: ScriptedAgent,
  host: string,
  token: string,
): Promise<FastifyInstance> {
  const server = await createAgentServer({
    agent: Object.assign(agent, {
      start: () => undefined,
      close: () => Promise.resolve(),
      undrain: () => undefined,
      mayDelete: () => true,
      takeSpare: () => undefined,
      snapshot: () => {
        throw new Error('no test asks for it')
      },
    }),
    token,
    logger: pino({ level: 'silent' }),
    registry: new Registry(),
    restartWanted: () => undefined,
  })
  await server.listen({ host, port: 8100 })
  return server
}
