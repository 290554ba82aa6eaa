import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'

export interface ProcessServerOptions {
  readonly logger: FastifyBaseLogger
  /** Bytes of a body, where a route does not say otherwise. */
  readonly bodyLimit: number
  readonly requestTimeoutMs: number
}

/** A port that other processes of ours call. What fails inside is logged, and told in two words. */
export function createProcessServer(options: ProcessServerOptions): FastifyInstance {
  const app = Fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyLimit,
    requestTimeout: options.requestTimeoutMs,
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
  return app
}
