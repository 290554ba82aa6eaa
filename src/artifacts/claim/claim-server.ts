import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { timingSafeEqual } from 'node:crypto'
import { tokenDigestOf } from '../../wire/claim-protocol.ts'
import { createProcessServer } from '../../wire/process-server.ts'
import { readClaim } from './read-claim.ts'
import { TarSink } from './tar-sink.ts'

export interface ClaimServerOptions {
  /** Where the claim is mounted. */
  readonly folder: string
  readonly claim: string
  /** `tokenDigestOf` of what the depot shows. */
  readonly tokenDigest: string
  readonly logger: FastifyBaseLogger
}

/** The port of a pod that reads a claim, and does nothing else: whoever has the token gets adapters of it. */
export async function createClaimServer(options: ClaimServerOptions): Promise<FastifyInstance> {
  const { folder, claim, tokenDigest, logger } = options
  const app = createProcessServer({ logger, bodyLimit: 1024, requestTimeoutMs: 60_000 })
  app.get('/healthz', () => ({ status: 'ok' }))
  app.get<{ Querystring: { path?: string | string[] } }>(
    '/v1/adapter',
    {
      onRequest: async (request, reply) =>
        knows(request.headers.authorization, tokenDigest)
          ? undefined
          : reply.code(401).send({ error: 'the token is not the depot’s' }),
    },
    (request, reply) => {
      const { path = '' } = request.query
      const sink = new TarSink()
      const gone = new AbortController()
      sink.stream.once('close', () => gone.abort())
      const place = { folder, claim, path: String(path), signal: gone.signal }
      void readClaim(place, sink).catch((error: unknown) => {
        if (!gone.signal.aborted) {
          logger.warn({ err: error, path }, 'an adapter could not be sent whole')
        }
        sink.fail(error instanceof Error ? error : undefined)
      })
      return reply.type('application/x-tar').send(sink.stream)
    },
  )
  await app.ready()
  return app
}

function knows(header: string | undefined, tokenDigest: string): boolean {
  const shown = tokenDigestOf((header ?? '').replace(/^Bearer /, ''))
  const [left, right] = [Buffer.from(shown), Buffer.from(tokenDigest)]
  return left.length === right.length && timingSafeEqual(left, right)
}
