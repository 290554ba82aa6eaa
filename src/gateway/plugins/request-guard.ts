import type { FastifyInstance } from 'fastify'
import { LoraplexError } from '../../errors.ts'

/** More entries than any SDK sends; Node would drop late ones of thousands silently. */
const maxHeaderEntries = 200

/** First hook: refuses what two parsers could read differently, and stamps the request id. */
export async function requestGuard(app: FastifyInstance): Promise<void> {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
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
    done(hosts > 1 ? new LoraplexError('invalid_request', 'More than one Host header.') : undefined)
  })
}

// The hook is for the whole server, not for this plugin's own scope.
Object.assign(requestGuard, { [Symbol.for('skip-override')]: true })
