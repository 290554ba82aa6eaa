import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type { AdminAuth, AdminVerdict } from './admin-auth.ts'

export interface AdminServerOptions {
  readonly logger: FastifyBaseLogger
  readonly registry: Registry
  /** Words for why no traffic should come here; undefined when it may. */
  readonly notReady: () => string | undefined
  /** A snapshot for people who look for trouble; holds no key and no prompt. */
  readonly debugState: () => object
  readonly auth: AdminAuth
}

/** The operator's port. Tenant keys mean nothing here; probes need no right. */
export async function createAdminServer(options: AdminServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
  })
  app.get('/healthz', (_request, reply) => reply.send({ status: 'ok' }))
  app.get('/readyz', (_request, reply) => {
    const why = options.notReady()
    return why === undefined
      ? reply.send({ status: 'ready' })
      : reply.code(503).send({ status: why })
  })
  await app.register(operatorRoutes, options)
  await app.ready()
  return app
}

async function operatorRoutes(app: FastifyInstance, options: AdminServerOptions): Promise<void> {
  app.addHook('onRequest', async (request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    const verdict = await options.auth.check(request.headers.authorization, path)
    if (verdict !== 'Allowed') {
      const { status, words } = refusals[verdict]
      await reply.code(status).send({ error: words })
    }
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(options.registry.contentType).send(await options.registry.metrics()),
  )
  app.get('/debug/state', (_request, reply) => reply.send(options.debugState()))
}

const refusals: Readonly<
  Record<Exclude<AdminVerdict, 'Allowed'>, { readonly status: number; readonly words: string }>
> = {
  Unknown: { status: 401, words: 'Show a token of an operator as `Authorization: Bearer …`.' },
  Forbidden: { status: 403, words: 'This account may not `get` this path (nonResourceURLs).' },
  Unavailable: { status: 503, words: 'Nobody could be asked who this is.' },
}
