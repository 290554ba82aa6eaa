import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { fieldKindsOf } from '../../../src/gateway/endpoints/field-kinds.ts'
import type { InferencePath } from '../../../src/gateway/endpoints/inference-endpoint.ts'
import { routeFields } from '../../../src/gateway/request/request-fields.generated.ts'

type Sent = Readonly<Record<string, unknown>>

/** Answers at once as vLLM would, and judges what the gateway lets through. */
export class JudgingEngine {
  /** Requests for the adapter, and those of them that were refused here. */
  seen = 0
  refused = 0
  readonly faults: string[] = []
  readonly #server: Server

  static async start(): Promise<JudgingEngine> {
    const engine = new JudgingEngine()
    engine.#server.listen(0, '127.0.0.1')
    await once(engine.#server, 'listening')
    return engine
  }

  private constructor() {
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => this.#answer(request, Buffer.concat(pieces).toString(), response))
    })
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(request: IncomingMessage, text: string, response: ServerResponse): void {
    const path = (request.url ?? '') as InferencePath
    if (request.method !== 'POST' || !Object.hasOwn(routeFields, path)) {
      this.faults.push(`${request.method} ${path} reached the engine`)
    }
    // Callers that leave early ask for the base: nobody can say what became of them.
    const counts = !text.startsWith('{"model":"lpx-base-r0"')
    this.seen += Number(counts)
    let body: Sent
    try {
      body = JSON.parse(text) as Sent
    } catch {
      this.refused += Number(counts)
      const error = { message: 'not JSON', type: 'BadRequestError', param: null, code: 400 }
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error }))
      return
    }
    this.#judge(path, body, text)
    const model = JSON.stringify(body['model'])
    const stream = body['stream'] === true
    response.writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' })
    response.end((stream ? streams[path] : answers[path])?.(model) ?? '{}')
  }

  #judge(path: InferencePath, body: Sent, text: string): void {
    const kinds = fieldKindsOf(path)
    const foreign = Object.keys(body).filter(
      (field) => kinds.get(field) !== 'Forward' && !ours.has(field),
    )
    const keys = text.match(/"(?:model|cache_salt)":/g) ?? []
    if (foreign.length > 0) {
      this.faults.push(`${path} was sent ${foreign.join(', ')}`)
    } else if (!String(body['model']).startsWith('lpx-') || !text.startsWith('{"model":"lpx-')) {
      this.faults.push(`${path} was sent the model ${String(body['model'])}`)
    } else if ('cache_salt' in body !== routeFields[path].salted || keys.length > 20) {
      this.faults.push(`${path} was sent without a salt`)
    }
  }
}

const ours = new Set(['model', 'cache_salt', 'store', 'stream', 'stream_options'])

const usage = '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}'
const counted = '"usage":{"input_tokens":1,"output_tokens":1}'
const plain = (model: string) => `{"id":"x","model":${model},"data":[],${usage}}`
const chunk = (model: string) => `data: {"id":"x","model":${model},"choices":[],${usage}}\n\n`
const count = () => '{"count":1,"input_tokens":1}'
const response = (model: string) =>
  `{"id":"r","model":${model},"output":[],"status":"completed","text":null,${counted}}`

const answers: Readonly<Record<string, (model: string) => string>> = {
  '/v1/chat/completions': plain,
  '/v1/completions': plain,
  '/v1/responses': response,
  '/v1/messages': (model) => `{"id":"x","model":${model},"stop_reason":"end_turn",${counted}}`,
  '/v1/messages/count_tokens': count,
  '/v1/embeddings': plain,
  '/v1/rerank': plain,
  '/v1/score': plain,
  '/tokenize': count,
}

const streams: Readonly<Record<string, (model: string) => string>> = {
  '/v1/chat/completions': (model) => `${chunk(model)}data: [DONE]\n\n`,
  '/v1/completions': (model) => `${chunk(model)}data: [DONE]\n\n`,
  '/v1/messages': (model) =>
    `event: message_start\ndata: {"type":"message_start","message":{"model":${model},${counted}}}\n\n` +
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  '/v1/responses': (model) =>
    `event: response.created\ndata: {"type":"response.created","response":${response(model)}}\n\n` +
    `event: response.completed\ndata: {"type":"response.completed","response":${response(model)}}\n\n`,
}
