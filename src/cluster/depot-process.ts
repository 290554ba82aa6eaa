import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Counter, Registry } from 'prom-client'
import { createDepotServer } from '../artifacts/depot/depot-server.ts'
import { Depot } from '../artifacts/depot/depot.ts'
import type { SourceSettings } from '../artifacts/depot/fetch-source.ts'
import { addGauge } from '../telemetry/add-gauge.ts'
import type { AdminAuth } from '../telemetry/admin-auth.ts'
import { createAdminServer } from '../telemetry/admin-server.ts'
import { listen, urlOf } from '../telemetry/listen.ts'
import type { ServiceLogger } from '../telemetry/logger.ts'
import { readInstallationSecret } from '../wire/installation-secret.ts'

export interface DepotProcessOptions {
  readonly cacheFolder: string
  /** What holds it, if that is smaller than its volume. */
  readonly cacheBytes?: number | undefined
  readonly secretFile: string
  readonly sources: SourceSettings
  readonly host: string
  readonly port: number
  readonly adminPort: number
  readonly adminAuth: AdminAuth
  readonly logger: ServiceLogger
}

/** What `loraplex depot` runs. */
export class DepotProcess {
  readonly #depot: Depot
  readonly #server: FastifyInstance
  readonly #admin: FastifyInstance

  private constructor(depot: Depot, server: FastifyInstance, admin: FastifyInstance) {
    this.#depot = depot
    this.#server = server
    this.#admin = admin
  }

  /** The operator's port answers while the secret is waited for. @throws UserError; the signal's reason. */
  static async start(options: DepotProcessOptions, signal: AbortSignal): Promise<DepotProcess> {
    const { logger, host } = options
    const depot = await Depot.open(options)
    const ready = { now: false }
    const admin = await createAdminServer({
      logger,
      auth: options.adminAuth,
      registry: registryOf(depot),
      notReady: () => (ready.now ? undefined : "waiting for the installation's secret"),
      debugState: () => ({ fetching: depot.fetching, waiting: depot.waiting, ...depot.figures }),
    })
    try {
      await listen(admin, host, options.adminPort, '--admin-port')
      const say = (words: string): void => logger.warn(words)
      const secret = await readInstallationSecret(options.secretFile, say, signal)
      const server = await createDepotServer({ depot, secret, logger })
      await listen(server, host, options.port, '--port')
      ready.now = true
      return new DepotProcess(depot, server, admin)
    } catch (error) {
      await Promise.all([admin.close(), depot.close()])
      throw error
    }
  }

  get url(): string {
    return urlOf(this.#server)
  }

  get adminUrl(): string {
    return urlOf(this.#admin)
  }

  async close(): Promise<void> {
    await Promise.all([this.#server.close(), this.#admin.close()])
    await this.#depot.close()
  }
}

const gauges: readonly {
  readonly name: string
  readonly help: string
  readonly of: (depot: Depot) => number
}[] = [
  {
    name: 'loraplex_depot_fetches_in_flight',
    help: 'Adapters that are being fetched now.',
    of: (depot) => depot.fetching,
  },
  {
    name: 'loraplex_depot_fetches_waiting',
    help: 'Adapters that wait for their turn to be fetched.',
    of: (depot) => depot.waiting.fetches,
  },
  {
    name: 'loraplex_depot_preflights_waiting',
    help: 'Adapters that wait for their turn to be checked.',
    of: (depot) => depot.waiting.preflights,
  },
  {
    name: 'loraplex_depot_cache_bytes',
    help: 'Bytes of adapters and headers of bases, what is being fetched with them.',
    of: (depot) => depot.figures.usedBytes,
  },
  {
    name: 'loraplex_depot_cache_limit_bytes',
    help: 'Bytes that the cache may hold; then nothing more is fetched.',
    of: (depot) => depot.figures.limitBytes,
  },
]

function registryOf(depot: Depot): Registry {
  const registry = new Registry()
  for (const { name, help, of } of gauges) {
    addGauge(registry, name, help, () => of(depot))
  }
  void new Counter({
    name: 'loraplex_depot_removed_total',
    help: 'What was deleted because nobody wanted it any more: contents and bases.',
    labelNames: ['kind'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [kind, count] of Object.entries(depot.figures.removed)) {
        this.inc({ kind }, count)
      }
    },
  })
  collectDefaultMetrics({ register: registry })
  return registry
}
