import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { baseKeyPrefixOf, poolHeader } from '../../wire/depot-protocol.ts'
import { isDigest } from '../digest.ts'
import { BaseRefused } from './base-shelf.ts'
import type { Depot } from './depot.ts'

interface BaseRoute {
  readonly Params: { readonly key: string }
}

/** What agents get and bring. Which pool they are of was proved before. */
export async function agentRoutes(app: FastifyInstance, depot: Depot): Promise<void> {
  // Read as it comes, and bounded where it is unpacked.
  app.addContentTypeParser('application/x-tar', (_request, payload, done) => done(null, payload))
  app.get<{ Params: { digest: string } }>('/v1/adapters/:digest', async (request, reply) => {
    const { digest } = request.params
    const pool = String(request.headers[poolHeader])
    const tar = isDigest(digest) ? await depot.read(pool, digest) : undefined
    // The same words whether or not it is here for somebody else.
    return tar === undefined
      ? reply.code(404).send({ error: 'no such content for this pool' })
      : reply.type('application/x-tar').send(tar)
  })
  app.get<BaseRoute>('/v1/bases/:key', { onRequest: onlyOwnBase }, async (request, reply) =>
    reply.code((await depot.hasBase(request.params.key)) ? 204 : 404).send(),
  )
  app.put<BaseRoute>(
    '/v1/bases/:key',
    { bodyLimit: Number.MAX_SAFE_INTEGER, onRequest: onlyOwnBase },
    async (request, reply) => {
      try {
        return { outcome: await depot.putBase(request.params.key, request.body as Readable) }
      } catch (error) {
        if (error instanceof BaseRefused) {
          return reply.code(400).send({ error: error.message })
        }
        throw error
      }
    },
  )
}

async function onlyOwnBase(
  request: FastifyRequest<BaseRoute>,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const { key } = request.params
  const pool = String(request.headers[poolHeader])
  return /^[0-9a-f]{64}$/.test(key) && key.startsWith(baseKeyPrefixOf(pool))
    ? undefined
    : reply.code(403).send({ error: 'this base is not this pool’s' })
}
