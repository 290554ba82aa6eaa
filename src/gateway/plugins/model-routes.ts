import type { FastifyInstance } from 'fastify'
import { authenticate } from '../authenticate.ts'
import type { Gateway } from '../gateway.ts'
import { modelEntry, modelNotFound } from '../models.ts'

/** `GET /v1/models` and `/v1/models/{id}`: what this key may call, and nothing of anybody else (I7). */
export async function modelRoutes(
  app: FastifyInstance,
  { gateway }: { readonly gateway: Gateway },
): Promise<void> {
  app.get('/v1/models', (request, reply) => {
    const caller = authenticate(gateway.table, request.headers, Date.now())
    const data = caller.listed.map((target) => modelEntry(target, gateway.factsOf(target.poolKey)))
    return reply.send({ object: 'list', data })
  })

  // Ids may hold slashes, written as they are or as %2F.
  app.get<{ Params: { '*': string } }>('/v1/models/*', (request, reply) => {
    const caller = authenticate(gateway.table, request.headers, Date.now())
    const name = request.params['*']
    const target = caller.targets.get(name)
    if (target === undefined) {
      throw modelNotFound(name)
    }
    return reply.send(modelEntry(target, gateway.factsOf(target.poolKey)))
  })
}
