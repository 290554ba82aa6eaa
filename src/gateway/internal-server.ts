import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { showsToken } from '../wire/internal-auth.ts'
import type { DemandFeed } from './demand-feed.ts'

export interface InternalServerOptions {
  readonly feed: DemandFeed
  readonly logger: FastifyBaseLogger
  /** `controllerToken` of the installation. */
  readonly token: string
}

/** A controller that reads so little has lost us; it comes again and gets the whole state. */
const maxUnreadBytes = 16 * 1024 * 1024

/** The port for the controller: `GET /v1/demand`, newline-delimited JSON for as long as it likes. */
export async function createInternalServer(
  options: InternalServerOptions,
): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
  })
  app.addHook('onRequest', (request, reply, done) => {
    if (showsToken(request.headers.authorization, options.token)) {
      done()
    } else {
      void reply.code(401).send({ error: 'This port is the controller’s.' })
    }
  })
  app.get('/v1/demand', (_request, reply) => {
    reply.hijack()
    const response = reply.raw
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
    const stop = options.feed.listen((message) => {
      if (response.writableLength > maxUnreadBytes) {
        response.destroy()
      } else {
        response.write(`${JSON.stringify(message)}\n`)
      }
    })
    response.on('close', stop)
  })
  await app.ready()
  return app
}
