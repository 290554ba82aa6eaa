import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { controllerToken, depotToken, showsToken } from '../../wire/internal-auth.ts'
import { poolHeader } from '../../wire/depot-protocol.ts'
import { createProcessServer } from '../../wire/process-server.ts'
import { agentRoutes } from './agent-routes.ts'
import { controllerRoutes } from './controller-routes.ts'
import type { Depot } from './depot.ts'

export interface DepotServerOptions {
  readonly depot: Depot
  /** The installation's. */
  readonly secret: Buffer
  readonly logger: FastifyBaseLogger
}

/** The depot's port: the controller orders, agents fetch what is their pool's. */
export async function createDepotServer(options: DepotServerOptions): Promise<FastifyInstance> {
  const { depot, secret, logger } = options
  const app = createProcessServer({ logger, bodyLimit: 256 * 1024, requestTimeoutMs: 600_000 })
  const ofController = controllerToken(secret)
  await app.register(async (scope) => {
    scope.addHook('onRequest', async (request, reply) =>
      showsToken(request.headers.authorization, ofController)
        ? undefined
        : reply.code(401).send({ error: 'the token is not the controller’s' }),
    )
    await controllerRoutes(scope, depot)
  })
  await app.register(async (scope) => {
    scope.addHook('onRequest', async (request, reply) => {
      const pool = request.headers[poolHeader]
      return typeof pool === 'string' &&
        showsToken(request.headers.authorization, depotToken(secret, pool))
        ? undefined
        : reply.code(401).send({ error: 'the token is not this pool’s' })
    })
    await agentRoutes(scope, depot)
  })
  await app.ready()
  return app
}
