// The whole product on an API server without nodes: controllers, gateways, a depot and agents as they are, simulated
// engines, and `ClusterNode` for what makes pods.
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { pino } from 'pino'
import process from 'node:process'
import type { Agent } from '../../src/agent/options.ts'
import type { ControllerProcess } from '../../src/cluster/controller-process.ts'
import type { DepotProcess } from '../../src/cluster/depot-process.ts'
import { GatewayProcess } from '../../src/cluster/gateway-process.ts'
import type { ClusterAccess } from '../../src/resources/kubernetes/cluster-access.ts'
import type { ReflectorTiming } from '../../src/resources/kubernetes/reflector-timing.ts'
import type { ApiServer } from './api-server.ts'
import { secretOf } from './builders.ts'
import { clusterAccessOf } from './cluster-access-of.ts'
import { ControllerBed } from './controller-bed.ts'
import { gatewayDefaults } from './gateway-defaults.ts'
import { realPods, type RealPod, type RealPodOptions } from './real-pods.ts'
import { startDepot } from './start-depot.ts'
import type { StreamCall } from './stream-load.ts'

export interface WholeBedOptions extends Partial<
  Pick<RealPodOptions, 'maxLoras' | 'maxCpuLoras' | 'startupMs' | 'isSlow'>
> {
  /** How controller and gateway reach the API server, where not directly. */
  readonly access?: ClusterAccess
  readonly timing?: Partial<ReflectorTiming>
}

const model = 'file:///models/base'
const fixture = fileURLToPath(new URL('../fixtures/adapters/acme-tickets', import.meta.url))
const logger = pino({ level: process.env['LORAPLEX_TEST_LOG'] ?? 'silent' })

export class WholeBed implements AsyncDisposable {
  readonly pods: readonly RealPod[]
  readonly #objects: ControllerBed<Agent>
  readonly #depot: DepotProcess
  readonly #folder: string
  readonly #options: WholeBedOptions
  readonly #end = new AbortController()
  readonly #closers: (() => Promise<unknown>)[] = []

  static async create(api: ApiServer, options: WholeBedOptions = {}): Promise<WholeBed> {
    const secret = randomBytes(32)
    const folder = await mkdtemp(join(tmpdir(), 'loraplex-whole-'))
    await mkdir(join(folder, 'adapters'))
    const depot: { url: string } = { url: '' }
    const pods: RealPod[] = []
    const podOptions: RealPodOptions = {
      secret,
      folder,
      depotUrl: () => depot.url,
      model,
      maxLoras: 4,
      maxCpuLoras: 32,
      startupMs: 0,
      isSlow: false,
      ...options,
    }
    const objects = await ControllerBed.with(api, secret, realPods(podOptions, pods))
    const started = await startDepot({
      cacheFolder: join(folder, 'cache'),
      secretFile: objects.secretFile,
      sources: { fileRoots: [join(folder, 'adapters')] },
    })
    depot.url = started.url
    return new WholeBed({ pods, objects, depot: started, folder, options })
  }

  private constructor(parts: {
    readonly pods: readonly RealPod[]
    readonly objects: ControllerBed<Agent>
    readonly depot: DepotProcess
    readonly folder: string
    readonly options: WholeBedOptions
  }) {
    this.pods = parts.pods
    this.#objects = parts.objects
    this.#depot = parts.depot
    this.#folder = parts.folder
    this.#options = parts.options
  }

  /** For what goes past the product: other objects, statuses, what the node has. */
  get objects(): ControllerBed<Agent> {
    return this.#objects
  }

  /** One that ends when it has lost its lead, as the command does, and comes back, as the kubelet has it. */
  async controller(): Promise<void> {
    let running = await this.#startController()
    const keep = async (): Promise<void> => {
      while (!this.#end.signal.aborted) {
        await aborted(running.lost, this.#end.signal)
        await running.close()
        if (!this.#end.signal.aborted) {
          running = await this.#startController()
        }
      }
    }
    const keeping = keep().catch((error: unknown) => {
      if (!this.#end.signal.aborted) {
        throw error
      }
    })
    this.#closers.push(() => keeping)
  }

  async gateway(name = 'gateway-0'): Promise<GatewayProcess> {
    const gateway = await GatewayProcess.start(
      {
        access: this.#access,
        secretFile: this.#objects.secretFile,
        host: '127.0.0.1',
        ...gatewayDefaults,
        logger,
        ...this.#timing,
      },
      this.#end.signal,
    )
    this.#closers.push(() => gateway.stop(0, 0, AbortSignal.abort()))
    await this.#objects.gatewayPod(name, Number(new URL(gateway.internalUrl).port))
    return gateway
  }

  /** `models/llama`; it takes adapters from the bed's folder. */
  async pool(more: object = {}): Promise<void> {
    const { maxLoras = 4, maxCpuLoras = 32 } = this.#options
    const uriPrefix = `${pathToFileURL(join(this.#folder, 'adapters')).href}/`
    await this.#objects.pool('models', 'llama', {
      model: { uri: model },
      lora: {
        maxLoras,
        maxCpuLoras,
        maxRank: 64,
        sources: [{ uriPrefix, credentials: 'Anonymous' }],
      },
      ...more,
    })
  }

  /** Files of its own content, and the object that names them. */
  async adapter(namespace: string, name: string, seed: number): Promise<void> {
    const folder = join(this.#folder, 'adapters', `${namespace}-${name}`)
    await mkdir(folder)
    const config = JSON.parse(await readFile(join(fixture, 'adapter_config.json'), 'utf8'))
    const scaled = { ...config, lora_alpha: Number(config.lora_alpha) + seed * 0.25 }
    await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(scaled))
    const weights = 'adapter_model.safetensors'
    await writeFile(join(folder, weights), await readFile(join(fixture, weights)))
    await this.#objects.adapter(namespace, name, 'models/llama', {
      source: { uri: pathToFileURL(folder).href },
    })
  }

  /** One of a tenant's that `ControllerBed.tenant` made. */
  call(gateway: GatewayProcess, tenant: string, name: string, tokens: number): StreamCall {
    return { url: gateway.url, key: secretOf(tenant), model: name, tokens }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort()
    for (const close of this.#closers.splice(0).reverse()) {
      await close()
    }
    await this.#objects[Symbol.asyncDispose]()
    await this.#depot.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #access(): ClusterAccess {
    return this.#options.access ?? clusterAccessOf(this.#objects.api.admin)
  }

  get #timing() {
    return this.#options.timing === undefined ? {} : { timing: this.#options.timing }
  }

  #startController(): Promise<ControllerProcess> {
    const options = this.#objects.options()
    return this.#objects.controller({
      access: this.#access,
      settings: { ...options.settings, depotUrl: this.#depot.url },
      ...this.#timing,
    })
  }
}

/** Resolves once one of them is. */
function aborted(...signals: readonly AbortSignal[]): Promise<void> {
  const any = AbortSignal.any([...signals])
  return new Promise((resolve) => {
    if (any.aborted) {
      resolve()
    }
    any.addEventListener('abort', () => resolve(), { once: true })
  })
}
