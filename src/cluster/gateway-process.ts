import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { gatewayDebugState } from '../gateway/debug-state.ts'
import { DemandFeed } from '../gateway/demand-feed.ts'
import { Gateway } from '../gateway/gateway.ts'
import { createInternalServer } from '../gateway/internal-server.ts'
import { Metering, type MeteringOptions } from '../gateway/metering/metering.ts'
import { createGatewayServer, lastUseMs, shortenKeepAlive } from '../gateway/server.ts'
import { addStateMetrics } from '../gateway/state-metrics.ts'
import { TableFeed } from '../gateway/table-feed.ts'
import type { ClusterAccess } from '../resources/kubernetes/cluster-access.ts'
import { createKubernetesSource } from '../resources/kubernetes/kubernetes-source.ts'
import type { ReflectorTiming } from '../resources/kubernetes/reflector-timing.ts'
import { createTransport } from '../resources/kubernetes/transport.ts'
import type { AdminAuth } from '../telemetry/admin-auth.ts'
import { createAdminServer } from '../telemetry/admin-server.ts'
import { createKubernetesMetrics } from '../telemetry/kubernetes-metrics.ts'
import { listen, urlOf } from '../telemetry/listen.ts'
import type { ServiceLogger } from '../telemetry/logger.ts'
import { readInstallationSecret } from '../wire/installation-secret.ts'
import { controllerToken, saltSecret } from '../wire/internal-auth.ts'
import { createAdminAuth, type AdminAuthChoice } from './create-admin-auth.ts'
import { GatewayReadiness } from './gateway-readiness.ts'
import { ReplicaDiscovery } from './replica-discovery.ts'

export interface GatewayProcessOptions {
  readonly access: ClusterAccess
  readonly secretFile: string
  readonly host: string
  /** 0: any free one. */
  readonly ports: { readonly http: number; readonly admin: number; readonly internal: number }
  /** Default: in memory. */
  readonly metering?: Pick<MeteringOptions, 'ledger' | 'usage' | 'gateways' | 'currency' | 'guard'>
  readonly unknownFields: 'Drop' | 'Reject'
  readonly maxQueueMs: number
  readonly maxColdStartMs: number
  readonly maxConfigAgeMs: number
  readonly adminAuth: AdminAuthChoice
  readonly logger: ServiceLogger
  readonly timing?: Partial<ReflectorTiming>
}

interface Servers {
  readonly http: FastifyInstance
  readonly admin: FastifyInstance
  readonly internal: FastifyInstance
}

/** One gateway of a cluster: resources and replica pods by watch, everything else from agents. Writes nothing. */
export class GatewayProcess {
  readonly gateway: Gateway
  readonly readiness: GatewayReadiness
  readonly #servers: Servers
  readonly #close: () => Promise<void>

  /** As `start` puts it together. */
  static of(
    gateway: Gateway,
    readiness: GatewayReadiness,
    servers: Servers,
    close: () => Promise<void>,
  ): GatewayProcess {
    return new GatewayProcess(gateway, readiness, servers, close)
  }

  private constructor(
    gateway: Gateway,
    readiness: GatewayReadiness,
    servers: Servers,
    close: () => Promise<void>,
  ) {
    this.gateway = gateway
    this.readiness = readiness
    this.#servers = servers
    this.#close = close
  }

  /**
   * Resolves when resources and replicas are known and all ports are open. The admin port is open before, so that
   * `/readyz` tells what is waited for.
   *
   * @throws UserError for what the person who starts it has to mend; the signal's reason when it aborts.
   */
  static async start(options: GatewayProcessOptions, signal: AbortSignal): Promise<GatewayProcess> {
    const closers: (() => Promise<void> | void)[] = []
    const close = async (): Promise<void> => {
      for (const closer of closers.splice(0).reverse()) {
        await closer()
      }
    }
    try {
      return await assemble(options, signal, closers, close)
    } catch (error) {
      await close()
      throw error
    }
  }

  get url(): string {
    return urlOf(this.#servers.http)
  }

  get adminUrl(): string {
    return urlOf(this.#servers.admin)
  }

  get internalUrl(): string {
    return urlOf(this.#servers.internal)
  }

  /**
   * Readiness goes first. What runs may end within `drainMs` (I4), and whoever has not heard yet that this gateway goes is
   * served meanwhile: a listener that closed while addresses are still being told around would reset their calls, and a
   * connection that closed right behind its last byte the next one. The signal ends every wait.
   */
  async stop(shutdownDelayMs: number, drainMs: number, now: AbortSignal): Promise<void> {
    this.gateway.announceLeave()
    shortenKeepAlive(this.#servers.http)
    await delay(shutdownDelayMs, undefined, { signal: now }).catch(() => undefined)
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(), drainMs)
    const end = AbortSignal.any([deadline.signal, now])
    await this.gateway.untilIdle(end)
    await delay(lastUseMs, undefined, { signal: end }).catch(() => undefined)
    await this.gateway.untilIdle(end)
    const drained = this.gateway.drain(end)
    this.#servers.http.server.close()
    await drained
    clearTimeout(timer)
    await this.gateway.close()
    await this.#close()
  }
}

type Closers = (() => Promise<void> | void)[]

async function assemble(
  options: GatewayProcessOptions,
  signal: AbortSignal,
  closers: Closers,
  close: () => Promise<void>,
): Promise<GatewayProcess> {
  const { logger, host, ports } = options
  const say = (words: string): void => logger.warn(words)
  const secret = await readInstallationSecret(options.secretFile, say, signal)
  const { maxQueueMs, maxColdStartMs } = options
  const metering = await Metering.open({
    ledger: 'memory:',
    usage: undefined,
    gateways: 1,
    ...options.metering,
    userSecret: saltSecret(secret),
    log: say,
  })
  closers.push(() => metering.close())
  const { meter } = metering
  const gateway = new Gateway({
    saltSecret: saltSecret(secret),
    meter,
    maxQueueMs,
    maxColdStartMs,
  })
  closers.push(() => gateway.close())
  const watched = { heardAtMs: () => Number.NEGATIVE_INFINITY }
  const readiness = new GatewayReadiness({
    gateway,
    maxConfigAgeMs: options.maxConfigAgeMs,
    heardAtMs: () => watched.heardAtMs(),
  })
  const { transport, source, discovery } = follow(options, gateway, readiness, secret, closers)
  watched.heardAtMs = () => Math.min(source.heardAtMs, discovery.heardAtMs)
  const servers = await createServers(options, gateway, readiness, secret, {
    auth: await createAdminAuth(options.adminAuth, transport),
    closers,
  })
  await listen(servers.admin, host, ports.admin, '--admin-port')

  const table = new TableFeed({ source, onTable: (next) => gateway.setTable(next) })
  closers.push(() => table.close())
  // I13: what is watched is watched until the end, whatever ends this start.
  const life = new AbortController()
  closers.push(() => life.abort())
  readiness.waitFor('the resources from the API server')
  await orAborted(source.start(life.signal), signal)
  table.build()
  readiness.waitFor('the replica pods from the API server')
  await orAborted(discovery.start(life.signal), signal)
  readiness.synced()
  await listen(servers.internal, host, ports.internal, '--internal-port')
  await listen(servers.http, host, ports.http, '--port')
  return GatewayProcess.of(gateway, readiness, servers, close)
}

async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason as Error)
  if (signal.aborted) {
    onAbort()
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** What keeps the gateway's knowledge new; closed after everything that reads it. */
function follow(
  { access, logger, timing = {} }: GatewayProcessOptions,
  gateway: Gateway,
  readiness: GatewayReadiness,
  secret: Buffer,
  closers: Closers,
) {
  const metrics = createKubernetesMetrics(
    gateway.metrics.registry,
    () => readiness.configAgeMs / 1000,
  )
  const { onReconnect, onMissed } = metrics
  const transport = createTransport(access, { onRequest: metrics.onRequest })
  closers.push(() => transport.close())
  const source = createKubernetesSource({ transport, logger, timing, onReconnect, onMissed })
  closers.push(() => source.close())
  const discovery = new ReplicaDiscovery({
    transport,
    logger,
    timing,
    secret,
    onReplicas: (replicas) => gateway.setReplicas(replicas),
    onReconnect: (reason) => onReconnect('Pod', reason),
    onMissed: (count) => onMissed('Pod', count),
  })
  closers.push(() => discovery.close())
  return { transport, source, discovery }
}

async function createServers(
  { logger, unknownFields }: GatewayProcessOptions,
  gateway: Gateway,
  readiness: GatewayReadiness,
  secret: Buffer,
  { auth, closers }: { readonly auth: AdminAuth; readonly closers: Closers },
): Promise<Servers> {
  addStateMetrics(gateway)
  const feed = new DemandFeed({ gateway, id: `${hostname()}-${randomBytes(4).toString('hex')}` })
  closers.push(() => feed.close())
  const http = await createGatewayServer({ gateway, logger, unknownFields })
  const internal = await createInternalServer({ feed, logger, token: controllerToken(secret) })
  const admin = await createAdminServer({
    logger,
    auth,
    registry: gateway.metrics.registry,
    notReady: () => readiness.notReady(),
    debugState: () => ({
      configAgeSeconds: readiness.configAgeMs / 1000,
      ...gatewayDebugState(gateway),
    }),
  })
  closers.push(async () => {
    await Promise.allSettled([http.close(), internal.close(), admin.close()])
  })
  return { http, admin, internal }
}
