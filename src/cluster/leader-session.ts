import { keyOf } from '../api/metadata.ts'
import { poolKeyOf } from '../api/lora-adapter.ts'
import { keptDigests } from '../core/kept-digests.ts'
import type { AgentRollout } from '../core/rollout.ts'
import type { WorkloadSettings } from '../core/workload-input.ts'
import { ClaimReaders, type ReaderTiming } from '../controller/claim-reader/claim-readers.ts'
import { Controller } from '../controller/controller.ts'
import { GatewayDesk } from '../controller/gateway-desk.ts'
import { GatewayLinks } from '../controller/gateway-links.ts'
import { ClusterReplicas } from '../controller/model-pool/cluster-replicas.ts'
import type { PodObject } from '../controller/model-pool/kube-shapes.ts'
import type { PoolCaches } from '../controller/model-pool/pool-caches.ts'
import { EventRecorder } from '../resources/kubernetes/event-recorder.ts'
import { createKubeClient, type KubeClientOptions } from '../resources/kubernetes/kube-client.ts'
import type { KubernetesSource } from '../resources/kubernetes/kubernetes-source.ts'
import type { Transport } from '../resources/kubernetes/transport.ts'
import type { Leadership, Reflector } from '../resources/kubernetes/types.ts'
import type { ServiceLogger } from '../telemetry/logger.ts'
import type { DepotClient } from '../wire/depot-client.ts'
import { baseKeyOf, type RetainAnswer } from '../wire/depot-protocol.ts'
import { controllerToken } from '../wire/internal-auth.ts'

export interface LeaderSessionOptions {
  readonly transport: Transport
  readonly source: KubernetesSource
  readonly caches: PoolCaches
  readonly gatewayPods: Reflector<PodObject>
  readonly leadership: Leadership
  readonly secret: Buffer
  readonly depot: DepotClient
  readonly settings: WorkloadSettings
  readonly agentRollout: AgentRollout
  readonly identity: string
  readonly logger: ServiceLogger
  readonly writes?: Pick<KubeClientOptions, 'beforeWrite' | 'afterWrite'>
  readonly readerTiming?: Partial<ReaderTiming> | undefined
  readonly onPass?: (tookMs: number) => void
}

/** The API server was heard so long ago that nothing goes on what is known. */
const staleMs = 60_000
const retainEveryMs = 60_000

/** What only the leader does, from when it leads until it does not. */
export class LeaderSession {
  readonly controller: Controller
  readonly replicas: ClusterReplicas
  readonly desk = new GatewayDesk()
  readonly #options: LeaderSessionOptions
  readonly #gateways: GatewayLinks
  readonly #readers: ClaimReaders
  readonly #events: EventRecorder
  readonly #timer: NodeJS.Timeout

  constructor(options: LeaderSessionOptions) {
    this.#options = options
    const { transport, leadership, secret, logger, identity } = options
    const mayWrite = (): boolean => leadership.mayWrite()
    const client = createKubeClient({ transport, mayWrite, ...options.writes })
    this.#events = new EventRecorder({
      client: createKubeClient({ transport, mayWrite }),
      controller: 'loraplex.dev/controller',
      instance: identity,
      logger,
    })
    this.replicas = new ClusterReplicas({
      client,
      caches: options.caches,
      settings: options.settings,
      secret,
      agentRollout: options.agentRollout,
      mayAct: mayWrite,
      demandOf: (poolKey) => {
        const demand = this.desk.demandOf(poolKey)
        const isKnown = !this.#isStale() && !this.controller.isInert(poolKey)
        return { ...demand, isFresh: demand.isFresh && isKnown }
      },
      isJudging: (poolKey) => this.controller.isJudging(poolKey),
      rateOf: (poolKey, revision) => this.controller.rateOf(poolKey, revision),
      logger,
      events: this.#events,
    })
    this.#readers = new ClaimReaders({
      client,
      caches: options.caches,
      settings: options.settings,
      secret,
      poolOf: (key) => options.source.current().snapshot.pools.get(key),
      mayAct: mayWrite,
      logger,
      timing: options.readerTiming,
    })
    this.controller = this.#createController()
    this.#gateways = new GatewayLinks({
      pods: options.gatewayPods,
      desk: this.desk,
      token: controllerToken(secret),
      onDemand: () => this.replicas.demandCame(),
      onRoutable: () => this.controller.kick(),
    })
    this.#timer = setInterval(() => this.#retain(), retainEveryMs).unref()
  }

  start(): void {
    this.replicas.start()
    this.#readers.start()
    this.#gateways.start()
    this.controller.start()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.controller.close(0)
    this.#readers.close()
    await this.#gateways.close()
    await this.#events.close()
  }

  #createController(): Controller {
    const { source, leadership, logger, depot } = this.#options
    const controller = new Controller({
      source,
      replicas: this.replicas,
      intake: {
        fetch: (request, signal) =>
          this.#readers.fetch(request, (order) => depot.fetch(order, signal), signal),
        stored: (digest, request) => depot.stored(digest, request),
        preflight: (path, options, signal, request) =>
          depot.preflight(path, options, signal, request),
      },
      baseOf: (pool) => baseKeyOf(keyOf(pool.metadata), pool.spec.model.uri),
      acknowledged: (poolKey) => this.desk.acknowledged(poolKey),
      traffic: (poolKey) => this.desk.trafficOf(poolKey),
      demandOf: (poolKey) => this.desk.demandOf(poolKey),
      onPass: (_controller, tookMs) => this.#options.onPass?.(tookMs),
      term: () => leadership.term,
      mayAct: () => leadership.mayWrite(),
      logger,
    })
    return controller
  }

  #isStale(): boolean {
    const { source, caches } = this.#options
    const heardAtMs = Math.min(
      source.heardAtMs,
      caches.pods.store.heardAtMs,
      caches.deployments.store.heardAtMs,
    )
    return performance.now() - heardAtMs > staleMs
  }

  /** Content that nothing stands for any more may leave the depot. */
  #retain(): void {
    const { source, depot, logger, leadership } = this.#options
    if (!leadership.mayWrite() || this.#isStale()) {
      return
    }
    const { snapshot } = source.current()
    // All there are: the bases of others may go.
    const pools: Record<string, string[]> = Object.fromEntries(
      Array.from(snapshot.pools.keys(), (key) => [key, []]),
    )
    for (const [key, adapter] of snapshot.adapters) {
      const digests = keptDigests(source.status('LoraAdapter', key))
      ;(pools[poolKeyOf(adapter)] ??= []).push(...digests)
    }
    depot
      .retain({ pools })
      // A depot of an earlier version does not say what is missing.
      .then(({ missing }: Partial<RetainAnswer>) => this.controller.lost(missing ?? {}))
      .catch((error: unknown) => {
        logger.warn({ err: error }, 'the depot did not take what is still needed')
      })
  }
}
