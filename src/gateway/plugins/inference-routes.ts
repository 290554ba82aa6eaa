import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Caller } from '../../core/resolve.ts'
import { LoraplexError } from '../../errors.ts'
import { asRefusal } from '../as-refusal.ts'
import { ArrivingBodies } from '../request/arriving-bodies.ts'
import { authenticateRequest } from '../authenticate.ts'
import { inferenceEndpoints } from '../endpoints/inference-endpoints.ts'
import type { InferenceEndpoint } from '../endpoints/inference-endpoint.ts'
import { errorBody, errorHeaders } from '../error-body.ts'
import type { Gateway } from '../gateway.ts'
import { readInferenceRequest, type InferenceRequest } from '../request/inference-request.ts'
import type { JsonObjectText } from '../request/json-object.ts'
import { JsonTurns } from '../request/json-turns.ts'
import { bytesOf, readRequestBody, type RequestBody } from '../request/request-body.ts'
import { requestIdHeaders } from '../request-id-headers.ts'
import type { StrangerConnections } from '../stranger-connections.ts'

export interface InferenceRouteOptions {
  readonly gateway: Gateway
  /** What becomes of a field that nobody knows. */
  readonly unknownFields?: 'Drop' | 'Reject'
  readonly strangers: StrangerConnections
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose request it is; set before the body is read. */
    caller: Caller | null
  }
}

/** A body, and what it says where that took more than one step. */
interface ArrivedBody extends RequestBody {
  readonly json?: JsonObjectText | undefined
  readonly broken?: Error | null
}

/** Up to here a body is read at once; larger ones in steps. */
const onceBytes = 64 * 1024

/** The inference endpoints: authenticated before the body is read, then handed to the gateway with the raw response. */
export async function inferenceRoutes(
  app: FastifyInstance,
  options: InferenceRouteOptions,
): Promise<void> {
  const { gateway } = options
  const readOptions = { unknownFields: options.unknownFields ?? 'Drop' } as const

  app.decorateRequest('caller', null)
  app.removeAllContentTypeParsers()
  const arriving = new ArrivingBodies()
  const turns = new JsonTurns()
  app.addContentTypeParser('application/json', (request, payload, done) => {
    const allowance = arriving.begin(request.caller?.tenant ?? '')
    readRequestBody(payload, request.routeOptions.bodyLimit, allowance, (error, body) => {
      if (body === undefined || bytesOf(body).length <= onceBytes) {
        done(error, body)
      } else {
        // It has arrived: what is wrong with it is no reason to end the connection, as it is to Fastify here.
        turns.read(bytesOf(body), (broken, json) => done(null, { ...body, json, broken }))
      }
    })
  })
  app.addHook('onRequest', (request, _reply, done) => {
    try {
      request.caller = authenticateRequest(gateway.table, request.raw, Date.now())
      options.strangers.admit(request.raw.socket)
      done()
    } catch (error) {
      done(error as Error)
    }
  })

  for (const endpoint of inferenceEndpoints) {
    app.post(endpoint.path, (request, reply) => {
      const { caller } = request
      const body = request.body as ArrivedBody | undefined
      if (caller === null || body === undefined) {
        throw new LoraplexError('invalid_json', 'The request body is empty.')
      }
      if (body.broken instanceof Error) {
        throw body.broken
      }
      const readAs = { ...readOptions, takesImages: (model: string) => takesImages(caller, model) }
      const inference = readInferenceRequest(endpoint, body, readAs, body.json)
      requireTask(caller, inference)
      reply.hijack()
      const refuse = (error: unknown): void => {
        if (!(error instanceof LoraplexError)) {
          request.log.error(
            { err: error, requestId: request.id },
            'a request failed inside the gateway',
          )
        }
        refuseRaw(reply.raw, endpoint, request.id, asRefusal(error), gateway, caller)
      }
      try {
        gateway
          .serve(caller, inference, request.id, readWaitMs(request.headers), reply.raw)
          ?.catch(refuse)
      } catch (error) {
        refuse(error)
      }
    })
  }
}

/** A name of nobody is told apart later. */
function takesImages({ targets }: Caller, model: string): boolean {
  return targets.get(model)?.pool.spec.model.inputs.includes('Image') ?? true
}

/** A base that generates text has no embeddings, and the other way round. A name of nobody is told apart later. */
function requireTask({ targets }: Caller, { model, endpoint }: InferenceRequest): void {
  const task = targets.get(model)?.pool.spec.model.task
  if (task !== undefined && endpoint.task !== undefined && task !== endpoint.task) {
    const does = task === 'Generate' ? 'generates text' : 'makes embeddings'
    throw new LoraplexError(
      'unsupported_task',
      `The model '${model}' ${does}: it does not answer ${endpoint.path}.`,
      { param: 'model' },
    )
  }
}

function refuseRaw(
  response: ServerResponse,
  { dialect }: InferenceEndpoint,
  id: string,
  refusal: LoraplexError,
  gateway: Gateway,
  caller: Caller,
): void {
  gateway.metrics.refuse(refusal.code, caller.tenant)
  if (response.headersSent || response.destroyed) {
    return
  }
  const payload = errorBody(refusal, dialect, id)
  response.writeHead(refusal.row.status, {
    ...requestIdHeaders(dialect, id),
    ...errorHeaders(refusal),
    ...(gateway.leaving ? { connection: 'close' } : {}),
    'content-length': Buffer.byteLength(payload),
  })
  response.end(payload)
}

/** The SDKs tell how long they will wait, in seconds; a wait past it would be answered to nobody. */
function readWaitMs(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['x-stainless-timeout'] ?? headers['x-stainless-read-timeout']
  const seconds = typeof text === 'string' ? Number(text) : Number.NaN
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 * 0.9 : undefined
}
