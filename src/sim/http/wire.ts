import type { ServerResponse } from 'node:http'

/** An error as vLLM writes it: `{"error": {message, type, param, code}}`. */
export interface ErrorInfo {
  readonly status: number
  readonly type: string
  readonly message: string
  readonly param: string | null
}

/** Thrown while a request is read; becomes its answer. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly info: ErrorInfo
  constructor(info: ErrorInfo) {
    super(info.message)
    this.info = info
  }
}

export function badRequest(message: string, param: string | null = null): Refusal {
  return new Refusal({ status: 400, type: 'BadRequestError', message, param })
}

/** VLLMValidationError: its words carry the parameter and its value. */
export function invalidParameter(message: string, param: string, value?: string): Refusal {
  const shown = value === undefined ? '' : `, value=${value}`
  return badRequest(`${message} (parameter=${param}${shown})`, param)
}

export const engineDead: ErrorInfo = {
  status: 500,
  type: 'InternalServerError',
  message: 'EngineCore encountered an issue. See stack trace (above) for the root cause.',
  param: null,
}

/** Unknown routes and methods: FastAPI's own shape. */
export const notFound = '{"detail":"Not Found"}'

const common = { server: 'uvicorn', vary: 'Origin', 'x-loraplex-simulated': 'true' } as const
/** Refused before vLLM's CORS layer saw it: no `vary`. */
export const unauthorizedHeaders = {
  server: common.server,
  'x-loraplex-simulated': common['x-loraplex-simulated'],
  'content-type': 'application/json',
}
export const jsonHeaders = { ...common, 'content-type': 'application/json' }
export const textHeaders = { ...common }
export const metricsHeaders = {
  ...common,
  'content-type': 'text/plain; version=1.0.0; charset=utf-8',
}
export const streamHeaders = { ...common, 'content-type': 'text/event-stream; charset=utf-8' }

export function send(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): void {
  if (response.destroyed || response.headersSent) {
    return
  }
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

export function sendJson(response: ServerResponse, status: number, body: string): void {
  send(response, status, jsonHeaders, body)
}

export function sendError(response: ServerResponse, info: ErrorInfo): void {
  sendJson(response, info.status, errorBody(info))
}

export function errorBody({ message, type, param, status }: ErrorInfo): string {
  return JSON.stringify({ error: { message: sanitize(message), type, param, code: status } })
}

/** The same inside a stream: Python's `json.dumps` with its spaces. */
export function streamErrorFrame({ message, type, param, status }: ErrorInfo): string {
  const text = JSON.stringify(sanitize(message))
  const name = param === null ? 'null' : JSON.stringify(param)
  return `data: {"error": {"message": ${text}, "type": "${type}", "param": ${name}, "code": ${status}}}\n\n`
}

/** What vLLM strips from messages (entrypoints/serve/exception_handling/utils.py): most file paths. */
export function sanitize(message: string): string {
  return message
    .replaceAll(/\/(?:home|usr|opt|var|tmp|root|lib|mnt|srv)(?:\/[\w.-]+)+/g, '<path>')
    .replaceAll(/(?:\/[\w-]+)+\/[\w-]+\.\w+/g, '<path>')
    .trim()
}
