import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'

export interface AdminServerOptions {
  readonly logger: FastifyBaseLogger
  readonly registry: Registry
  readonly isReady: () => boolean
  /** A snapshot for people who look for trouble; holds no key and no prompt. */
  readonly debugState: () => object
}

/** The operator's port. Tenant keys mean nothing here. */
export async function createAdminServer(options: AdminServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
  })
  app.get('/healthz', (_request, reply) => reply.send({ status: 'ok' }))
  app.get('/readyz', (_request, reply) =>
    options.isReady()
      ? reply.send({ status: 'ready' })
      : reply.code(503).send({ status: 'draining' }),
  )
  app.get('/metrics', async (_request, reply) =>
    reply.type(options.registry.contentType).send(await options.registry.metrics()),
  )
  app.get('/debug/state', (_request, reply) => reply.send(options.debugState()))
  await app.ready()
  return app
}
