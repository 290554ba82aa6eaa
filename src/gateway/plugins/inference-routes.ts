import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Caller } from '../../core/resolve.ts'
import { LoraplexError } from '../../errors.ts'
import { authenticate } from '../authenticate.ts'
import { inferenceEndpoints } from '../endpoints.ts'
import { errorBody, errorHeaders } from '../error-body.ts'
import type { Gateway } from '../gateway.ts'
import { readInferenceRequest } from '../inference-request.ts'

export interface InferenceRouteOptions {
  readonly gateway: Gateway
  /** What becomes of a field that nobody knows. */
  readonly unknownFields?: 'Drop' | 'Reject'
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose request it is; set before the body is read. */
    caller: Caller | null
  }
}

/** The inference endpoints: authenticated before the body is read, then handed to the gateway with the raw response. */
export async function inferenceRoutes(
  app: FastifyInstance,
  options: InferenceRouteOptions,
): Promise<void> {
  const { gateway } = options
  const readOptions = { unknownFields: options.unknownFields ?? 'Drop' } as const

  app.decorateRequest('caller', null)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  app.addHook('onRequest', (request, _reply, done) => {
    try {
      request.caller = authenticate(gateway.table, request.headers, Date.now())
      done()
    } catch (error) {
      done(error as Error)
    }
  })

  for (const endpoint of inferenceEndpoints) {
    app.post(endpoint.path, (request, reply) => {
      const { body, caller } = request
      if (caller === null || !Buffer.isBuffer(body)) {
        throw new LoraplexError('invalid_json', 'The request body is empty.')
      }
      const inference = readInferenceRequest(endpoint, body, readOptions)
      reply.hijack()
      const { id } = request
      gateway
        .serve(caller, inference, id, readWaitMs(request.headers), reply.raw)
        .catch((error: unknown) => {
          const refusal =
            error instanceof LoraplexError
              ? error
              : new LoraplexError(
                  'internal_error',
                  'The server had an error while processing your request.',
                )
          if (refusal.code === 'internal_error') {
            request.log.error({ err: error, requestId: id }, 'a request failed inside the gateway')
          }
          gateway.metrics.refuse(refusal.code, caller.tenant)
          if (!reply.raw.headersSent && !reply.raw.destroyed) {
            const payload = errorBody(refusal)
            reply.raw.writeHead(refusal.row.status, {
              'x-request-id': id,
              ...errorHeaders(refusal),
              ...(gateway.draining ? { connection: 'close' } : {}),
              'content-length': Buffer.byteLength(payload),
            })
            reply.raw.end(payload)
          }
        })
    })
  }
}

/** The SDKs tell how long they will wait, in seconds; a wait past it would be answered to nobody. */
function readWaitMs(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['x-stainless-timeout'] ?? headers['x-stainless-read-timeout']
  const seconds = typeof text === 'string' ? Number(text) : Number.NaN
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 * 0.9 : undefined
}
