import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify'
import { LoraplexError } from '../../errors.ts'
import { dialectOf } from '../dialect.ts'
import { errorBody, errorHeaders } from '../error-body.ts'
import type { Gateway } from '../gateway.ts'

/** Everything that ends in a refusal before an exchange began is answered here, in the shape of its path. */
export async function errorReplies(
  app: FastifyInstance,
  { gateway }: { readonly gateway: Gateway },
): Promise<void> {
  app.setErrorHandler((error: FastifyError | LoraplexError, request, reply) => {
    const refusal = error instanceof LoraplexError ? error : translate(error)
    if (refusal.code === 'internal_error') {
      request.log.error(
        { err: error, requestId: request.id },
        'a request failed inside the gateway',
      )
    }
    gateway.metrics.refuse(refusal.code)
    return sendRefusal(reply, refusal)
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? ''
    gateway.metrics.refuse('route_not_found')
    return sendRefusal(
      reply,
      new LoraplexError('route_not_found', `Invalid URL (${request.method} ${path.slice(0, 200)})`),
    )
  })
}

Object.assign(errorReplies, { [Symbol.for('skip-override')]: true })

export function sendRefusal(reply: FastifyReply, refusal: LoraplexError): FastifyReply {
  const { url, id } = reply.request
  return reply
    .code(refusal.row.status)
    .headers(errorHeaders(refusal))
    .send(errorBody(refusal, dialectOf(url), id))
}

/** Fastify's own refusals, in fixed words: its texts may carry more than a caller should read. */
export function translate(error: FastifyError): LoraplexError {
  switch (error.code) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new LoraplexError(
        'unsupported_media_type',
        "Unsupported media type: send 'Content-Type: application/json'.",
      )
    case 'FST_ERR_BAD_URL':
      return new LoraplexError('route_not_found', 'Invalid URL')
    default:
      return error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500
        ? new LoraplexError('invalid_request', 'The request is not valid.')
        : new LoraplexError(
            'internal_error',
            'The server had an error while processing your request.',
            { cause: error },
          )
  }
}
