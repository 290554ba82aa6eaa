// Between the product and a real API server, on HTTP: passes requests on, or does what API servers do on bad days.
import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http'
import { Agent, request } from 'node:https'
import type { ClusterAccess } from '../../src/resources/kubernetes/cluster-access.ts'
import type { ApiAccess } from './api-server.ts'
import { plainAccess } from './plain-access.ts'

export const apiFaults = [
  /** 429 with `retry-after` for everything; what runs is reset. */
  'TooManyRequests',
  /** 500 for everything; what runs is reset. */
  'ServerError',
  /** Connections are reset, running and new. */
  'Reset',
  /** Watches end in the middle of a line, again and again. */
  'TruncatedLine',
  /** 410 for every watch, running and new. */
  'Gone',
  /** Watches stay and say nothing more. */
  'SilentWatch',
] as const
export type ApiFault = (typeof apiFaults)[number]

export class ApiFaultProxy implements AsyncDisposable {
  /** Requests and watches that met a fault. */
  struck = 0
  #fault: ApiFault | undefined
  readonly #server: Server
  readonly #admin: ApiAccess
  readonly #agent: Agent
  readonly #watches = new Set<ServerResponse>()

  static async start(admin: ApiAccess): Promise<ApiFaultProxy> {
    const api = new ApiFaultProxy(admin)
    api.#server.listen(0, '127.0.0.1')
    await once(api.#server, 'listening')
    return api
  }

  private constructor(admin: ApiAccess) {
    this.#admin = admin
    const { ca, cert, key } = admin
    this.#agent = new Agent({ keepAlive: true, ca, cert, key })
    this.#server = createServer((incoming, response) => this.#handle(incoming, response))
  }

  get access(): ClusterAccess {
    return plainAccess(this.#server)
  }

  /** From now on, and for what runs already. */
  strike(fault: ApiFault): void {
    this.#fault = fault
    for (const watch of this.#watches) {
      this.#strikeWatch(fault, watch)
    }
  }

  heal(): void {
    this.#fault = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    this.#agent.destroy()
  }

  #strikeWatch(fault: ApiFault, watch: ServerResponse): void {
    this.struck += 1
    switch (fault) {
      case 'TooManyRequests':
      case 'ServerError':
      case 'Reset':
        watch.socket?.resetAndDestroy()
        return
      case 'TruncatedLine':
        watch.end('{"type":"MODIFIED","object":{"kind":"Mod')
        return
      case 'Gone':
        watch.end(`${JSON.stringify({ type: 'ERROR', object: failure(410) })}\n`)
        return
      case 'SilentWatch':
        return
      default:
        fault satisfies never
    }
  }

  #handle(incoming: IncomingMessage, response: ServerResponse): void {
    const isWatch = /[?&]watch=(true|1)/.test(incoming.url ?? '')
    const code = refusalOf(this.#fault, isWatch)
    if (code === undefined) {
      this.#pass(incoming, response, isWatch)
      return
    }
    this.struck += 1
    if (code === 0) {
      response.socket?.resetAndDestroy()
      return
    }
    incoming.resume()
    const headers: OutgoingHttpHeaders = { 'content-type': 'application/json' }
    response.writeHead(code, code === 429 ? { ...headers, 'retry-after': '1' } : headers)
    response.end(JSON.stringify(failure(code)))
  }

  #pass(incoming: IncomingMessage, response: ServerResponse, isWatch: boolean): void {
    const { method, url = '/', headers } = incoming
    const onward = request(
      `${this.#admin.url}${url}`,
      { method, headers: { ...headers, host: new URL(this.#admin.url).host }, agent: this.#agent },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        response.flushHeaders()
        answer.on('error', () => response.destroy())
        if (isWatch) {
          this.#relay(answer, response)
        } else {
          answer.pipe(response)
        }
      },
    )
    onward.on('error', () => response.destroy())
    response.on('close', () => {
      this.#watches.delete(response)
      onward.destroy()
    })
    incoming.pipe(onward)
  }

  #relay(answer: IncomingMessage, response: ServerResponse): void {
    this.#watches.add(response)
    answer.on('data', (chunk: Buffer) => {
      if (this.#fault === 'SilentWatch') {
        this.struck += 1
      } else if (response.writableEnded) {
        // What still comes of a watch that was ended in the middle of a line.
      } else if (this.#fault === 'TruncatedLine') {
        this.struck += 1
        response.end(chunk.subarray(0, chunk.length / 2))
      } else {
        response.write(chunk)
      }
    })
    answer.on('end', () => response.end())
  }
}

/** 0 is a reset; undefined lets it pass. */
function refusalOf(fault: ApiFault | undefined, isWatch: boolean): number | undefined {
  switch (fault) {
    case 'TooManyRequests':
      return 429
    case 'ServerError':
      return 500
    case 'Reset':
      return 0
    case 'Gone':
      return isWatch ? 410 : undefined
    case 'TruncatedLine':
    case 'SilentWatch':
    case undefined:
      return undefined
    default:
      return fault satisfies never
  }
}

function failure(code: number): object {
  const reason = code === 410 ? 'Expired' : 'InternalError'
  const message = 'a test has it fail'
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }
}
