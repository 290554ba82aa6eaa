import type { IncomingMessage, ServerResponse } from 'node:http'
import { chatCompletions } from './chat.ts'
import { completions } from './completions.ts'
import type { Call, Context } from './context.ts'
import { embeddings, rerank, score } from './embeddings.ts'
import {
  addFault,
  clearFaults,
  health,
  listFaults,
  listModels,
  metrics,
  serverLoad,
  showState,
  tokenize,
  version,
} from './control.ts'
import { loadAdapter, registerAlias, unloadAdapter, unregisterAlias } from './lora.ts'
import { countTokens, messages } from './messages.ts'
import { responses } from './responses.ts'
import { parseBody, wrongMediaType } from './validation.ts'
import {
  jsonHeaders,
  notFound,
  Refusal,
  send,
  sendError,
  sendJson,
  unauthorizedHeaders,
} from './wire.ts'

type Handler = (context: Context, call: Call) => void | Promise<void>

interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly handle: Handler
  /** Insists on application/json, as most of vLLM's POSTs do. */
  readonly json?: boolean
}

const always: readonly Route[] = [
  { method: 'GET', path: '/health', handle: health },
  { method: 'GET', path: '/ping', handle: health },
  { method: 'POST', path: '/ping', handle: health },
  { method: 'GET', path: '/version', handle: version },
  { method: 'GET', path: '/load', handle: serverLoad },
  { method: 'GET', path: '/metrics', handle: metrics },
  { method: 'GET', path: '/v1/models', handle: listModels },
  { method: 'POST', path: '/tokenize', handle: tokenize, json: true },
]

/** What a model is loaded for decides which of these there are. */
const byTask: Readonly<Record<'Generate' | 'Embed', readonly Route[]>> = {
  Generate: [
    { method: 'POST', path: '/v1/chat/completions', handle: chatCompletions, json: true },
    { method: 'POST', path: '/v1/completions', handle: completions, json: true },
    { method: 'POST', path: '/v1/responses', handle: responses, json: true },
    { method: 'POST', path: '/v1/messages', handle: messages, json: true },
    { method: 'POST', path: '/v1/messages/count_tokens', handle: countTokens, json: true },
  ],
  Embed: [
    { method: 'POST', path: '/v1/embeddings', handle: embeddings, json: true },
    ...['/score', '/v1/score'].map((path): Route => ({
      method: 'POST',
      path,
      handle: score,
      json: true,
    })),
    ...['/rerank', '/v1/rerank', '/v2/rerank'].map((path): Route => ({
      method: 'POST',
      path,
      handle: rerank,
      json: true,
    })),
  ],
}

/** There only with VLLM_ALLOW_RUNTIME_LORA_UPDATING. */
const runtimeLora: readonly Route[] = [
  { method: 'POST', path: '/v1/load_lora_adapter', handle: loadAdapter, json: true },
  { method: 'POST', path: '/v1/unload_lora_adapter', handle: unloadAdapter, json: true },
  { method: 'POST', path: '/adapters', handle: registerAlias, json: true },
  { method: 'DELETE', path: '/adapters/*', handle: unregisterAlias },
]

/** The simulator's own, there only with `faults`. */
const simulatorOnly: readonly Route[] = [
  { method: 'GET', path: '/simulator/faults', handle: listFaults },
  { method: 'POST', path: '/simulator/faults', handle: addFault, json: true },
  { method: 'DELETE', path: '/simulator/faults', handle: clearFaults },
  { method: 'GET', path: '/simulator/state', handle: showState },
]

/** Under these an API key is asked for, and nowhere else (entrypoints/serve/middleware/authenticate.py). */
const guardedPrefixes = ['/v1', '/v2', '/inference', '/cohere']
const hanging = new Set(['/health', '/metrics', '/v1/models'])

export class Router {
  readonly #context: Context
  /** By path, then by method. */
  readonly #routes = new Map<string, Map<string, Route>>()

  constructor(context: Context) {
    this.#context = context
    const { settings } = context
    const routes = [
      ...always,
      ...byTask[settings.task],
      ...(settings.runtimeLora ? runtimeLora : []),
      ...(settings.faults ? simulatorOnly : []),
    ]
    for (const route of routes) {
      const methods = this.#routes.get(route.path) ?? new Map<string, Route>()
      this.#routes.set(route.path, methods.set(route.method, route))
    }
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = pathOf(request.url ?? '/')
    if (!this.#isAllowed(request, path)) {
      send(response, 401, unauthorizedHeaders, '{"error":"Unauthorized"}')
      return
    }
    const methods = this.#routes.get(path.startsWith('/adapters/') ? '/adapters/*' : path)
    const route = methods?.get(request.method ?? 'GET')
    if (methods === undefined) {
      sendJson(response, 404, notFound)
    } else if (route === undefined) {
      const allow = [...methods.keys()].join(', ')
      send(response, 405, { ...jsonHeaders, allow }, '{"detail":"Method Not Allowed"}')
    } else if (!hanging.has(path) || this.#context.faults.take('HangControl') === undefined) {
      await this.#run(route, request, response)
    }
  }

  async #run(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const text = route.method === 'POST' ? await readBody(request) : ''
      if (route.json === true && !isJson(request)) {
        throw wrongMediaType()
      }
      const body = text === '' && route.json !== true ? {} : parseBody(text)
      await route.handle(this.#context, { request, response, body })
    } catch (error) {
      if (!(error instanceof Refusal)) {
        throw error
      }
      sendError(response, error.info)
    }
  }

  #isAllowed(request: IncomingMessage, path: string): boolean {
    const { apiKey } = this.#context.settings
    return (
      apiKey === undefined ||
      request.method === 'OPTIONS' ||
      !guardedPrefixes.some((prefix) => path.startsWith(prefix)) ||
      /^bearer (.*)$/is.exec(request.headers.authorization ?? '')?.[1] === apiKey
    )
  }
}

function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

function isJson(request: IncomingMessage): boolean {
  const type = request.headers['content-type'] ?? ''
  return type.split(';', 1)[0]?.trim().toLowerCase() === 'application/json'
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const [only] = chunks
      resolve(
        (chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)).toString('utf8'),
      )
    })
    request.on('error', reject)
  })
}
