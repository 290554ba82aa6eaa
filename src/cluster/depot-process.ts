import type { FastifyInstance } from 'fastify'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { createDepotServer } from '../artifacts/depot/depot-server.ts'
import { Depot } from '../artifacts/depot/depot.ts'
import type { SourceSettings } from '../artifacts/depot/fetch-source.ts'
import { createAdminServer } from '../telemetry/admin-server.ts'
import { listen, urlOf } from '../telemetry/listen.ts'
import type { ServiceLogger } from '../telemetry/logger.ts'
import { readInstallationSecret } from '../wire/installation-secret.ts'

export interface DepotProcessOptions {
  readonly cacheFolder: string
  readonly secretFile: string
  readonly sources: SourceSettings
  readonly host: string
  readonly port: number
  readonly adminPort: number
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
      registry: registryOf(depot),
      notReady: () => (ready.now ? undefined : "waiting for the installation's secret"),
      debugState: () => ({ fetching: depot.fetching }),
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

function registryOf(depot: Depot): Registry {
  const registry = new Registry()
  void new Gauge({
    name: 'loraplex_depot_fetches_in_flight',
    help: 'Adapters that are being fetched now.',
    registers: [registry],
    collect() {
      this.set(depot.fetching)
    },
  })
  collectDefaultMetrics({ register: registry })
  return registry
}
