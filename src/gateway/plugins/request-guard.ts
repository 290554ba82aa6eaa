import type { FastifyInstance } from 'fastify'
import { LoraplexError } from '../../errors.ts'
import { dialectOf } from '../dialect.ts'
import type { Gateway } from '../gateway.ts'
import { requestIdHeaders } from '../request-id-headers.ts'

/** More entries than any SDK sends; Node would drop late ones of thousands silently. */
const maxHeaderEntries = 200

/** First hook: refuses what two parsers could read differently, and stamps the request id. */
export async function requestGuard(
  app: FastifyInstance,
  { gateway }: { readonly gateway: Gateway },
): Promise<void> {
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(requestIdHeaders(dialectOf(request.url), request.id))
    if (gateway.leaving) {
      reply.header('connection', 'close')
    }
    const { rawHeaders } = request.raw
    if (rawHeaders.length > maxHeaderEntries * 2) {
      done(new LoraplexError('headers_too_large', `More than ${maxHeaderEntries} header fields.`))
      return
    }
    let hosts = 0
    for (let at = 0; at < rawHeaders.length; at += 2) {
      if (rawHeaders[at]?.length === 4 && rawHeaders[at]?.toLowerCase() === 'host') {
        hosts += 1
      }
    }
    if (hosts > 1) {
      done(new LoraplexError('invalid_request', 'More than one Host header.'))
    } else if (hosts === 0 && request.raw.httpVersion === '1.1') {
      done(new LoraplexError('invalid_request', 'The Host header is missing.'))
    } else if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
      done(
        new LoraplexError(
          'unsupported_media_type',
          'Compressed bodies are not taken: send it plain.',
        ),
      )
    } else {
      done()
    }
  })
}

// The hook is for the whole server, not for this plugin's own scope.
Object.assign(requestGuard, { [Symbol.for('skip-override')]: true })
