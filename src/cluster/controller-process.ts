import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { FastifyInstance } from 'fastify'
import { labels } from '../api/cluster-names.ts'
import type { ReaderTiming } from '../controller/claim-reader/claim-readers.ts'
import { ensureInstallationSecret } from '../controller/installation-secret.ts'
import { addScalingMetrics } from '../controller/scaling-metrics.ts'
import { podType, type PodObject } from '../controller/model-pool/kube-shapes.ts'
import { createPoolCaches, type PoolCaches } from '../controller/model-pool/pool-caches.ts'
import type { AgentRollout } from '../core/rollout.ts'
import type { WorkloadSettings } from '../core/workload-input.ts'
import type { ClusterAccess } from '../resources/kubernetes/cluster-access.ts'
import { createKubeClient, type KubeClientOptions } from '../resources/kubernetes/kube-client.ts'
import {
  createKubernetesSource,
  type KubernetesSource,
} from '../resources/kubernetes/kubernetes-source.ts'
import { createLeaderElection, type LeaderElection } from '../resources/kubernetes/leader.ts'
import type { LeaderTiming } from '../resources/kubernetes/leader-timing.ts'
import { createReflector } from '../resources/kubernetes/reflector.ts'
import type { ReflectorTiming } from '../resources/kubernetes/reflector-timing.ts'
import { createTransport, type Transport } from '../resources/kubernetes/transport.ts'
import type { Leadership, Reflector } from '../resources/kubernetes/types.ts'
import { addGauge } from '../telemetry/add-gauge.ts'
import { createAdminServer } from '../telemetry/admin-server.ts'
import { createKubernetesMetrics } from '../telemetry/kubernetes-metrics.ts'
import { listen, urlOf } from '../telemetry/listen.ts'
import type { ServiceLogger } from '../telemetry/logger.ts'
import { createDepotClient, type DepotClient } from '../wire/depot-client.ts'
import { controllerToken } from '../wire/internal-auth.ts'
import { createAdminAuth, type AdminAuthChoice } from './create-admin-auth.ts'
import { LeaderSession } from './leader-session.ts'

export interface ControllerProcessOptions {
  readonly access: ClusterAccess
  /** Where the installation's secret is mounted; without the file the API server is asked. */
  readonly secretFile: string
  /** The release's. */
  readonly namespace: string
  readonly podName: string
  readonly host: string
  readonly adminPort: number
  readonly adminAuth: AdminAuthChoice
  readonly settings: WorkloadSettings
  readonly agentRollout: AgentRollout
  readonly logger: ServiceLogger
  readonly timing?: Partial<ReflectorTiming>
  readonly leaderTiming?: Partial<LeaderTiming>
  readonly readerTiming?: Partial<ReaderTiming>
  readonly writes?: Pick<KubeClientOptions, 'beforeWrite' | 'afterWrite'>
}

export const leaseName = 'loraplex-controller'

/** One controller of a cluster: knows everything by watch, and acts while it leads. */
export class ControllerProcess {
  /** Aborted when leadership was lost: the process had better end, and start anew as a follower. */
  readonly lost: AbortSignal
  readonly #admin: FastifyInstance
  readonly #session: () => LeaderSession | undefined
  readonly #close: () => Promise<void>

  private constructor(parts: {
    readonly lost: AbortSignal
    readonly admin: FastifyInstance
    readonly session: () => LeaderSession | undefined
    readonly close: () => Promise<void>
  }) {
    this.lost = parts.lost
    this.#admin = parts.admin
    this.#session = parts.session
    this.#close = parts.close
  }

  /**
   * Resolves when everything is known and it stands for election.
   *
   * @throws UserError for what the person who starts it has to mend; the signal's reason when it aborts.
   */
  static async start(
    options: ControllerProcessOptions,
    signal: AbortSignal,
  ): Promise<ControllerProcess> {
    const closers: Closers = []
    const close = async (): Promise<void> => {
      for (const closer of closers.splice(0).reverse()) {
        await closer()
      }
    }
    try {
      return new ControllerProcess({ ...(await assemble(options, signal, closers)), close })
    } catch (error) {
      await close()
      throw error
    }
  }

  get adminUrl(): string {
    return urlOf(this.#admin)
  }

  get isLeading(): boolean {
    return this.#session() !== undefined
  }

  /** For tests and `/debug/state`. */
  get session(): LeaderSession | undefined {
    return this.#session()
  }

  /** Ends what runs, then gives the Lease away. */
  async close(): Promise<void> {
    await this.#close()
  }
}

type Closers = (() => Promise<void> | void)[]

interface Parts {
  readonly transport: Transport
  readonly source: KubernetesSource
  readonly caches: PoolCaches
  readonly gatewayPods: Reflector<PodObject>
  readonly registry: Registry
  readonly onPass: (tookMs: number) => void
}

async function assemble(options: ControllerProcessOptions, signal: AbortSignal, closers: Closers) {
  const lost = new AbortController()
  const state: { session?: LeaderSession; election?: LeaderElection; known: boolean } = {
    known: false,
  }
  const isLeading = (): boolean => state.election?.leadership !== undefined
  const parts = follow(options, isLeading, closers)
  addScalingMetrics(parts.registry, () =>
    isLeading() ? (state.session?.controller.signals() ?? []) : [],
  )
  const admin = await createAdminServer({
    logger: options.logger,
    auth: await createAdminAuth(options.adminAuth, parts.transport),
    registry: parts.registry,
    notReady: () => (state.known ? undefined : 'the API server has not told everything yet'),
    debugState: () => debugState(isLeading(), state.session),
  })
  closers.push(() => admin.close())
  await listen(admin, options.host, options.adminPort, '--admin-port')
  const secret = await secretOf(options, parts.transport, signal)
  const depot = createDepotClient({
    url: options.settings.depotUrl,
    token: controllerToken(secret),
  })
  closers.push(() => depot.close())
  await Promise.all([
    parts.source.start(signal),
    parts.caches.start(signal),
    parts.gatewayPods.start(signal),
  ])
  state.known = true
  const identity = `${options.podName}_${randomUUID()}`
  const election = createLeaderElection({
    // Renewals must not wait behind other requests, and a late one is none.
    client: createKubeClient({ transport: parts.transport, retries: 0 }),
    namespace: options.namespace,
    name: leaseName,
    identity,
    logger: options.logger,
    ...(options.leaderTiming === undefined ? {} : { timing: options.leaderTiming }),
    onLead: (leadership) => {
      options.logger.info({ term: leadership.term }, 'this controller leads')
      state.session = lead(options, parts, secret, depot, leadership, identity)
      leadership.signal.addEventListener('abort', () => lost.abort(), { once: true })
    },
  })
  state.election = election
  // What runs ends first, and only then may another lead.
  closers.push(() => election.close())
  closers.push(async () => {
    await state.session?.close()
  })
  election.start()
  return { lost: lost.signal, admin, session: () => (isLeading() ? state.session : undefined) }
}

function lead(
  options: ControllerProcessOptions,
  parts: Parts,
  secret: Buffer,
  depot: DepotClient,
  leadership: Leadership,
  identity: string,
): LeaderSession {
  const session = new LeaderSession({
    ...parts,
    leadership,
    secret,
    depot,
    settings: options.settings,
    agentRollout: options.agentRollout,
    identity,
    logger: options.logger,
    readerTiming: options.readerTiming,
    ...(options.writes === undefined ? {} : { writes: options.writes }),
  })
  session.start()
  return session
}

function follow(
  options: ControllerProcessOptions,
  isLeading: () => boolean,
  closers: Closers,
): Parts {
  const { access, logger, namespace, timing = {} } = options
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  addGauge(registry, 'loraplex_controller_leading', '1 while this controller leads.', () =>
    isLeading() ? 1 : 0,
  )
  const heard = { atMs: (): number => performance.now() }
  const metrics = createKubernetesMetrics(registry, () => (performance.now() - heard.atMs()) / 1000)
  const transport = createTransport(access, { onRequest: metrics.onRequest })
  closers.push(() => transport.close())
  const source = createKubernetesSource({
    transport,
    logger,
    timing,
    onReconnect: metrics.onReconnect,
    onMissed: metrics.onMissed,
    writer: {
      client: createKubeClient({ transport, mayWrite: isLeading, ...options.writes }),
      mayWrite: isLeading,
    },
  })
  heard.atMs = () => source.heardAtMs
  closers.push(() => source.close())
  const caches = createPoolCaches(transport, { logger, timing })
  closers.push(() => caches.close())
  const gatewayPods = createReflector<PodObject>({
    transport,
    type: podType,
    namespace,
    labelSelector: `${labels.component}=gateway`,
    logger,
    timing,
  })
  closers.push(() => gatewayPods.close())
  return { transport, source, caches, gatewayPods, registry, onPass: passMetrics(registry) }
}

function passMetrics(registry: Registry): (tookMs: number) => void {
  const passes = new Histogram({
    name: 'loraplex_controller_pass_seconds',
    help: 'How long a look at all resources takes.',
    buckets: [0.001, 0.01, 0.03, 0.1, 0.3, 1, 3],
    registers: [registry],
  })
  return (tookMs) => passes.observe(tookMs / 1000)
}

/** From the file, which is there after the first start; else from the API server, where it is made if absent. */
async function secretOf(
  { secretFile, namespace, logger }: ControllerProcessOptions,
  transport: Transport,
  signal: AbortSignal,
): Promise<Buffer> {
  const mounted = await readFile(secretFile).catch(() => undefined)
  if (mounted !== undefined && mounted.length >= 32) {
    return mounted
  }
  const client = createKubeClient({ transport })
  for (;;) {
    signal.throwIfAborted()
    try {
      return await ensureInstallationSecret(client, namespace, signal)
    } catch (error) {
      signal.throwIfAborted()
      logger.warn({ err: error }, "the installation's secret cannot be had yet")
    }
    await delay(2000, undefined, { signal })
  }
}

function debugState(isLeading: boolean, session: LeaderSession | undefined): object {
  return {
    isLeading,
    gateways: session?.desk.names() ?? [],
    replicas:
      session?.replicas.states().map(({ name, poolKey, ready, detail, isLeaving }) => ({
        name,
        poolKey,
        ready,
        detail,
        isLeaving,
      })) ?? [],
  }
}
