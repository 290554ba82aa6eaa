import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type { Agent } from '../options.ts'
import { controlRoutes } from './control-routes.ts'
import { DrainDesk } from './drain-desk.ts'
import { podRoutes } from './pod-routes.ts'

export interface AgentServerOptions {
  readonly agent: Agent
  /** `agentToken` of the pool. */
  readonly token: string
  readonly logger: FastifyBaseLogger
  readonly registry: Registry
  /** Why the engine's container has to be restarted; undefined while it need not be. */
  readonly restartWanted: () => string | undefined
  readonly streams?: { readonly keepAliveMs?: number; readonly maxBufferedBytes?: number }
}

/** An agent's one port: orders with the pool's token, the pod's probes without. */
export async function createAgentServer(options: AgentServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 64 * 1024,
    requestTimeout: 30_000,
    keepAliveTimeout: 75_000,
    forceCloseConnections: true,
    http: { headersTimeout: 10_000, maxHeaderSize: 8 * 1024 },
    childLoggerFactory: (logger) => logger,
  })
  app.setErrorHandler((error: { readonly statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) {
      request.log.error({ err: error, path: request.routeOptions.url }, 'a call failed')
    }
    return reply.code(status).send({ error: status >= 500 ? 'internal error' : 'not understood' })
  })
  const drains = new DrainDesk(options.agent)
  await app.register(podRoutes, { ...options, drains })
  await app.register(controlRoutes, { ...options, drains })
  await app.ready()
  return app
}
