import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import Fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify'
import { dialectOf } from './dialect.ts'
import { errorBody, errorHeaders } from './error-body.ts'
import type { Gateway } from './gateway.ts'
import { LoraplexError } from '../errors.ts'
import { StrangerConnections } from './stranger-connections.ts'
import { errorReplies, sendRefusal, translate } from './plugins/error-replies.ts'
import { inferenceRoutes, type InferenceRouteOptions } from './plugins/inference-routes.ts'
import { modelRoutes } from './plugins/model-routes.ts'
import { usageRoutes } from './plugins/usage-routes.ts'
import { requestIdHeaders } from './request-id-headers.ts'
import { requestGuard } from './plugins/request-guard.ts'

export interface GatewayServerOptions extends Omit<InferenceRouteOptions, 'strangers'> {
  readonly gateway: Gateway
  readonly logger: FastifyBaseLogger
  /** Bytes of a body; 4 MiB. */
  readonly bodyLimit?: number
  /** How long a caller may take for what it sends; seconds where a test cannot wait for the defaults. */
  readonly arrival?: Partial<ArrivalTimes>
  /** Connections without a valid key so far. */
  readonly maxStrangers?: number
}

interface ArrivalTimes {
  /** Milliseconds from the first byte of a request, or from the connection where none comes, to its last header. */
  readonly headersMs: number
  /** … to the last byte of its body. */
  readonly requestMs: number
  /** How often that is looked at: slow ones are cut so much later at most. */
  readonly checkMs: number
}

const defaultArrival: ArrivalTimes = { headersMs: 10_000, requestMs: 60_000, checkMs: 5000 }

/** The tenant port: an allow-list of methods and paths, in the order in which a request meets them. */
export async function createGatewayServer(options: GatewayServerOptions): Promise<FastifyInstance> {
  const arrival = { ...defaultArrival, ...options.arrival }
  const app = Fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyLimit ?? 4 * 1024 * 1024,
    // Slow headers and slow bodies are cut; Fastify's defaults wait for ever.
    requestTimeout: arrival.requestMs,
    keepAliveTimeout: 75_000,
    forceCloseConnections: 'idle',
    http: {
      headersTimeout: arrival.headersMs,
      connectionsCheckingInterval: arrival.checkMs,
      maxHeaderSize: 16 * 1024,
      // The guard refuses it in OpenAI's shape; Node would answer without a body.
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: 512, ignoreTrailingSlash: false },
    // A child logger for every request would cost more than all of its routing, and almost none of them logs.
    childLoggerFactory: (logger) => logger,
    genReqId: () => options.gateway.nextRequestId(),
    clientErrorHandler: (error, socket) =>
      answerUnreadable(error, socket, options.gateway.nextRequestId()),
    // What the router cannot even read meets no hook and no error handler.
    frameworkErrors: (error, request, reply) => {
      const refusal = translate(error)
      options.gateway.metrics.refuse(refusal.code)
      void sendRefusal(reply.header('x-request-id', request.id), refusal)
    },
    exposeHeadRoutes: false,
  })
  // Node would answer 417 without a body; a caller that expects anything else than 100-continue is served all the same.
  app.server.on('checkExpectation', (request, response) =>
    app.server.emit('request', request, response),
  )
  cutWhatStays(app)
  const strangers = new StrangerConnections(
    (socket) => answerUnreadable(tooMany, socket, options.gateway.nextRequestId()),
    options.maxStrangers,
  )
  app.server.on('connection', (socket: Socket) => strangers.add(socket))
  await app.register(requestGuard, options)
  await app.register(errorReplies, options)
  await app.register(async (scope) => {
    // A hook at the end of every inference request would cost more than telling who calls did.
    scope.addHook('onResponse', (request, reply, done) => {
      if (reply.statusCode < 400) {
        strangers.admit(request.raw.socket)
      }
      done()
    })
    await scope.register(modelRoutes, options)
    await scope.register(usageRoutes, options)
  })
  await app.register(inferenceRoutes, { ...options, strangers })
  await app.ready()
  return app
}

/** Who has read the end of a stream may send the next request in the same moment: so long it can. */
export const lastUseMs = 1000

/**
 * For a server that leaves, and serves on meanwhile: the heads of its streams may have gone out before, so that their callers
 * do not know. One that uses its connection again is answered, and told; from the next end of an answer on, connections that
 * are not are closed after `lastUseMs`, to which Node adds a second.
 */
export function shortenKeepAlive(app: FastifyInstance): void {
  app.server.keepAliveTimeout = lastUseMs
}

/** What was just written gets so long to leave when the server closes. */
const lastBytesMs = 1000

/**
 * Connections that never carried a request are not idle to Node, and once a server closes nothing times them out: they
 * would hold a closing server for as long as they like.
 */
function cutWhatStays(app: FastifyInstance): void {
  let timer: NodeJS.Timeout | undefined
  app.addHook('preClose', (done) => {
    timer = setTimeout(() => app.server.closeAllConnections(), lastBytesMs)
    done()
  })
  app.addHook('onClose', (_app, done) => {
    clearTimeout(timer)
    done()
  })
}

/** As if its time was over. */
const tooMany = { code: 'ERR_HTTP_REQUEST_TIMEOUT' }

/** What Node's parser refuses never becomes a request; it is answered in the same shape. */
function answerUnreadable(
  error: { readonly code?: string },
  socket: Socket,
  requestId: string,
): void {
  // As Node's own handler: an answer that is under way cannot be followed by another.
  const { _httpMessage: underWay } = socket as Socket & { _httpMessage?: ServerResponse | null }
  if (error.code === 'ECONNRESET' || !socket.writable || underWay?.headersSent === true) {
    socket.destroy()
    return
  }
  const refusal = refusalOf(error.code)
  const dialect = dialectOf(underWay?.req.url ?? '')
  const body = errorBody(refusal, dialect, requestId)
  const headers = Object.entries({
    ...requestIdHeaders(dialect, requestId),
    ...errorHeaders(refusal),
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  const { status } = refusal.row
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers.join('')}\r\n${body}`)
}

function refusalOf(code: string | undefined): LoraplexError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new LoraplexError('headers_too_large', 'The request headers are too large.')
  }
  return code === 'ERR_HTTP_REQUEST_TIMEOUT'
    ? new LoraplexError('request_timeout', 'The request did not arrive in time.')
    : new LoraplexError('invalid_request', 'This is not a valid HTTP request.')
}
