import type { FastifyInstance } from 'fastify'
import { ContentStore } from '../artifacts/content-store.ts'
import { fetchFromFile } from '../artifacts/file-source.ts'
import { PreflightPool } from '../artifacts/preflight-pool.ts'
import { ArrivalCounts } from '../controller/arrival-counts.ts'
import { Controller } from '../controller/controller.ts'
import type { PoolDemand } from '../controller/model-pool/autoscaler.ts'
import { addScalingMetrics } from '../controller/scaling-metrics.ts'
import { ReplicaSet, type ManagedReplica } from '../controller/model-pool/replica-set.ts'
import { buildRoutingTable } from '../core/resolve.ts'
import { reapOrphans } from '../engine/pid-file.ts'
import { gatewayDebugState } from '../gateway/debug-state.ts'
import { Gateway } from '../gateway/gateway.ts'
import { Metering, type MeteringOptions } from '../gateway/metering/metering.ts'
import { createGatewayServer } from '../gateway/server.ts'
import { createDirectorySource } from '../resources/directory/directory-source.ts'
import type { AdminAuth } from '../telemetry/admin-auth.ts'
import { createAdminServer } from '../telemetry/admin-server.ts'
import { listen, urlOf } from '../telemetry/listen.ts'
import type { ServiceLogger } from '../telemetry/logger.ts'
import { chooseEngine, type EngineKind } from './engine-kind.ts'
import { createReplicaFactory } from './replica-factory.ts'
import { StarterKeySource } from './starter-keys.ts'
import { StateFolder } from './state-folder.ts'

export interface StandaloneOptions {
  readonly folder: string
  readonly stateFolder: string
  readonly engine: 'auto' | 'vllm' | 'simulator'
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly adminPort: number
  readonly adminAuth: AdminAuth
  readonly unknownFields: 'Drop' | 'Reject'
  readonly maxQueueMs: number
  /** Where limits and bills are kept; default: files of the state folder. */
  readonly ledger?: string
  readonly usageStore?: string
  readonly currency?: string
  readonly ledgerGuard?: MeteringOptions['guard']
  readonly logger: ServiceLogger
  readonly env: NodeJS.ProcessEnv
  /** Words of progress for whoever waits. */
  readonly onProgress: (words: string) => void
}

/** A whole service in one process: resources from a folder, engines as children, one gateway. */
export class Standalone {
  readonly source: StarterKeySource
  readonly controller: Controller
  readonly replicas: ReplicaSet
  readonly gateway: Gateway
  readonly engine: EngineKind
  readonly #parts: Parts

  private constructor(parts: Parts) {
    this.#parts = parts
    this.source = parts.source
    this.controller = parts.controller
    this.replicas = parts.replicas
    this.gateway = parts.gateway
    this.engine = parts.engine
  }

  /** @throws UserError for what the person who starts it has to mend. */
  static async start(options: StandaloneOptions): Promise<Standalone> {
    const engine = await chooseEngine(options.engine, options.env)
    const state = StateFolder.open(options.stateFolder)
    try {
      const reaped = await reapOrphans(state.path)
      if (reaped.length > 0) {
        options.onProgress(
          `ended engines that an earlier process left behind: ${reaped.join(', ')}`,
        )
      }
      const parts = await assemble(options, engine, state)
      const standalone = new Standalone(parts)
      try {
        await standalone.#start(options)
      } catch (error) {
        await standalone.close(0)
        throw error
      }
      return standalone
    } catch (error) {
      state.close()
      throw error
    }
  }

  get url(): string {
    return urlOf(this.#parts.server)
  }

  get adminUrl(): string {
    return urlOf(this.#parts.admin)
  }

  /** Readiness goes first, then nothing new is taken, what runs may end within `graceMs`, and engines stop last. */
  async close(graceMs: number): Promise<void> {
    const { server, admin, gateway, metering, controller, source, preflight, state, timers } =
      this.#parts
    for (const timer of timers) {
      clearInterval(timer)
    }
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(), graceMs)
    const drained = gateway.drain(deadline.signal)
    server.server.close()
    await drained
    clearTimeout(timer)
    await gateway.close()
    await Promise.allSettled([server.close(), admin.close(), controller.close(0)])
    await metering.close()
    await preflight.close()
    await source.close()
    state.close()
  }

  async #start(options: StandaloneOptions): Promise<void> {
    const { source, controller, server, admin } = this.#parts
    await source.start(new AbortController().signal)
    await listen(server, options.host, options.port, '--port')
    await listen(admin, options.host, options.adminPort, '--admin-port')
    controller.start()
  }
}

interface Parts {
  readonly engine: EngineKind
  readonly state: StateFolder
  readonly source: StarterKeySource
  readonly preflight: PreflightPool
  readonly controller: Controller
  readonly replicas: ReplicaSet
  readonly gateway: Gateway
  readonly metering: Metering
  readonly server: FastifyInstance
  readonly admin: FastifyInstance
  readonly timers: readonly NodeJS.Timeout[]
}

const collectEveryMs = 30_000

async function assemble(
  options: StandaloneOptions,
  engine: EngineKind,
  state: StateFolder,
): Promise<Parts> {
  const { logger } = options
  const store = await ContentStore.open(`${state.path}/adapters`)
  const preflight = new PreflightPool()
  const source = new StarterKeySource(
    createDirectorySource({ folder: options.folder, stateFolder: state.path, logger }),
    state,
  )
  const { metering, gateway } = await openGateway(options, state)
  const replicas = new ReplicaSet(
    createReplicaFactory({
      engine,
      stateFolder: state.path,
      store,
      snapshot: () => source.current().snapshot,
      logger,
    }),
  )
  const term = Date.now()
  const arrivals = new ArrivalCounts()
  const controller = new Controller({
    source,
    replicas,
    intake: {
      fetch: ({ uri, baseFolder, expectedDigest }, signal) =>
        fetchFromFile({ uri, baseFolder, expectedDigest, store, signal }),
      stored: (digest) => store.get(digest),
      preflight: (path, preflightOptions, signal) => preflight.run(path, preflightOptions, signal),
    },
    acknowledged: (poolKey) => gateway.acknowledged(poolKey),
    traffic: (poolKey) => {
      arrivals.take('', gateway.demand())
      return arrivals.drain(poolKey)
    },
    demandOf: (poolKey) => demandOf(gateway, poolKey),
    onPass: (self) => inform(gateway, self, replicas, source),
    term: () => term,
    logger,
  })
  addScalingMetrics(gateway.metrics.registry, () => controller.signals())
  const server = await createGatewayServer({
    gateway,
    logger,
    unknownFields: options.unknownFields,
  })
  const admin = await createAdminServer({
    logger,
    auth: options.adminAuth,
    registry: gateway.metrics.registry,
    notReady: () => (gateway.draining ? 'draining' : undefined),
    debugState: () => debugState(gateway, replicas),
  })
  const timers = [
    setInterval(
      () =>
        void collectGarbage(store, controller, replicas).catch((error: unknown) =>
          logger.warn({ err: error }, 'unused adapter files were not removed'),
        ),
      collectEveryMs,
    ).unref(),
  ]
  return {
    engine,
    state,
    source,
    preflight,
    controller,
    replicas,
    gateway,
    metering,
    server,
    admin,
    timers,
  }
}

/** The gateway, with limits and bills in the state folder unless somebody says otherwise. */
async function openGateway(
  options: StandaloneOptions,
  state: StateFolder,
): Promise<{ readonly metering: Metering; readonly gateway: Gateway }> {
  const { logger } = options
  const saltSecret = state.secret('cache-salt')
  const metering = await Metering.open({
    ledger: options.ledger ?? `sqlite:${state.path}/ledger.db`,
    usage: options.usageStore,
    currency: options.currency ?? 'usd',
    userSecret: saltSecret,
    gateways: 1,
    guard: options.ledgerGuard ?? {},
    log: (message) => logger.warn(message),
  })
  const gateway = new Gateway({
    saltSecret,
    meter: metering.meter,
    maxQueueMs: options.maxQueueMs,
  })
  return { metering, gateway }
}

/** After every pass of the controller: the gateway gets the replicas and the table, and its acknowledgement may change. */
function inform(
  gateway: Gateway,
  controller: Controller,
  replicas: ReplicaSet,
  source: StarterKeySource,
): void {
  gateway.setReplicas(
    replicas.states().map(({ replica, poolKey }) => gatewayReplicaOf(replica, poolKey)),
  )
  const before = gateway.table.revisions
  gateway.setTable(
    buildRoutingTable({
      snapshot: source.current().snapshot,
      statusOf: (key) => source.status('LoraAdapter', key),
    }),
  )
  const after = gateway.table.revisions
  if (after.size !== before.size || [...after].some((revision) => !before.has(revision))) {
    controller.kick()
  }
}

/** What the one gateway there is says of a pool. */
function demandOf(gateway: Gateway, poolKey: string): PoolDemand {
  const costs = gateway.pools.get(poolKey)?.admission.costs.costs
  const sum = { waiting: 0, running: 0, arrivals: 0, costs, isFresh: true, silence: undefined }
  for (const { waiting, running, arrivals } of Object.values(gateway.demand()[poolKey] ?? {})) {
    sum.waiting += waiting
    sum.running += running
    sum.arrivals += arrivals
  }
  return sum
}

type ReplicaOfGateway = Parameters<Gateway['setReplicas']>[0][number]

const gatewayReplicas = new WeakMap<ManagedReplica, ReplicaOfGateway>()

/** The same object every time: the gateway knows by it whether a view is still of the same replica. */
function gatewayReplicaOf(replica: ManagedReplica, poolKey: string): ReplicaOfGateway {
  const known = gatewayReplicas.get(replica)
  if (known !== undefined) {
    return known
  }
  const made: ReplicaOfGateway = {
    name: replica.name,
    poolKey,
    servedModelName: replica.engine.servedModelName,
    address: () => replica.engine.address,
    link: replica.link,
  }
  gatewayReplicas.set(replica, made)
  return made
}

async function collectGarbage(
  store: ContentStore,
  controller: Controller,
  replicas: ReplicaSet,
): Promise<void> {
  for (const { digest } of await store.list()) {
    const isRead = replicas.states().some(({ replica }) => !replica.mayDelete(digest))
    if (!isRead && !controller.isInUse(digest)) {
      await store.delete(digest)
    }
  }
}

function debugState(gateway: Gateway, replicas: ReplicaSet): object {
  return {
    ...gatewayDebugState(gateway),
    engines: replicas
      .states()
      .map((state) => ({ name: state.name, state: state.replica.engine.state })),
  }
}
