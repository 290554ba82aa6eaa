import type { FastifyInstance, FastifyRequest } from 'fastify'
import {
  depotRoutes,
  fetchRequest,
  preflightRequest,
  retainRequest,
} from '../../wire/depot-protocol.ts'
import { parseBody } from '../../wire/parse-body.ts'
import { isDigest } from '../digest.ts'
import type { Depot } from './depot.ts'

/** 20,000 digests have 1.4 MB. */
const retainLimit = 32 * 1024 * 1024

/** What the controller orders. An answer comes when the work is done; a caller that goes away ends it. */
export async function controllerRoutes(app: FastifyInstance, depot: Depot): Promise<void> {
  app.post(depotRoutes.fetch, async (request, reply) => {
    const order = parseBody(fetchRequest, request.body, reply)
    return order === undefined ? reply : whileAsked(request, (signal) => depot.fetch(order, signal))
  })
  app.post(depotRoutes.preflight, async (request, reply) => {
    const order = parseBody(preflightRequest, request.body, reply)
    return order === undefined
      ? reply
      : whileAsked(request, (signal) => depot.preflight(order, signal))
  })
  app.post(depotRoutes.retain, { bodyLimit: retainLimit }, async (request, reply) => {
    const order = parseBody(retainRequest, request.body, reply)
    return order === undefined ? reply : depot.retain(order)
  })
  app.get<{ Params: { digest: string }; Querystring: { pool?: string } }>(
    '/v1/adapters/:digest/facts',
    async ({ params, query }, reply) => {
      const facts = isDigest(params.digest)
        ? await depot.facts(query.pool ?? '', params.digest)
        : undefined
      return facts ?? reply.code(404).send({ error: 'no such content for this pool' })
    },
  )
}

async function whileAsked<T>(
  request: FastifyRequest,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const gone = new AbortController()
  const { socket } = request.raw
  const onClose = (): void => gone.abort()
  socket.once('close', onClose)
  try {
    return await work(gone.signal)
  } finally {
    socket.off('close', onClose)
  }
}
