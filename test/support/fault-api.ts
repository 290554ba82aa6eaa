// An API server of one collection (ConfigMaps) on a real socket, that does what API servers do on their worst days.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ClusterAccess } from '../../src/resources/kubernetes/cluster-access.ts'
import type { KubeObject, ResourceType } from '../../src/resources/kubernetes/types.ts'
import { plainAccess } from './plain-access.ts'

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>
}

export const configMapType: ResourceType<ConfigMap> = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
}

export interface Refusal {
  readonly status: number
  readonly reason?: string
  readonly retryAfterSeconds?: number
  readonly verb?: 'list' | 'watch' | 'get' | 'write'
  readonly times: number
}

export interface SeenRequest {
  readonly verb: 'list' | 'watch' | 'get' | 'write'
  readonly method: string
  readonly query: URLSearchParams
  readonly contentType: string
  readonly body: string
  readonly atMs: number
}

interface HistoryEvent {
  readonly version: number
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: ConfigMap
}

export class FaultApi implements AsyncDisposable {
  readonly requests: SeenRequest[] = []
  /** Delays the answer of lists. */
  slowListMs = 0
  /** Events are kept from watches, whose sockets stay: a half-open connection. */
  isSilent = false
  pageSize = 500
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #objects = new Map<string, ConfigMap>()
  readonly #watches = new Set<ServerResponse>()
  readonly #refusals: Refusal[] = []
  #history: HistoryEvent[] = []
  #oldest = 0
  #version = 100
  #uids = 0

  static async start(): Promise<FaultApi> {
    const api = new FaultApi()
    await new Promise<void>((resolve) => {
      api.#server.listen(0, '127.0.0.1', resolve)
    })
    return api
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request, response)
    })
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  get access(): ClusterAccess {
    return plainAccess(this.#server)
  }

  get version(): number {
    return this.#version
  }

  get watches(): number {
    return this.#watches.size
  }

  count(verb: SeenRequest['verb']): number {
    return this.requests.filter((request) => request.verb === verb).length
  }

  objects(): readonly ConfigMap[] {
    return [...this.#objects.values()]
  }

  put(name: string, value: string): ConfigMap {
    const before = this.#objects.get(name)
    this.#version += 1
    const object: ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name,
        namespace: 'default',
        uid: before?.metadata.uid ?? `uid-${(this.#uids += 1)}`,
        resourceVersion: String(this.#version),
      },
      data: { value },
    }
    this.#objects.set(name, object)
    this.#happen({ version: this.#version, type: before ? 'MODIFIED' : 'ADDED', object })
    return object
  }

  remove(name: string): void {
    const before = this.#objects.get(name)
    if (before === undefined) {
      return
    }
    this.#version += 1
    this.#objects.delete(name)
    const metadata = { ...before.metadata, resourceVersion: String(this.#version) }
    this.#happen({ version: this.#version, type: 'DELETED', object: { ...before, metadata } })
  }

  /** Changes without telling any watch, now or at resume. */
  hide(change: () => void): void {
    const history = [...this.#history]
    const watches = [...this.#watches]
    this.#watches.clear()
    change()
    this.#history = history
    for (const watch of watches) {
      this.#watches.add(watch)
    }
  }

  refuse(refusal: Refusal): void {
    this.#refusals.push(refusal)
  }

  bookmark(): void {
    this.say({
      type: 'BOOKMARK',
      object: { kind: 'ConfigMap', metadata: { resourceVersion: String(this.#version) } },
    })
  }

  /** One line to every watch. */
  say(event: object): void {
    this.sayRaw(`${JSON.stringify(event)}\n`)
  }

  sayRaw(text: string): void {
    for (const watch of this.#watches) {
      watch.write(text)
    }
  }

  sayGone(): void {
    this.say({ type: 'ERROR', object: statusOf(410, 'Expired', 'too old resource version') })
  }

  endWatches(): void {
    for (const watch of this.#watches) {
      this.#watches.delete(watch)
      watch.end()
    }
  }

  /** TCP resets. */
  resetWatches(): void {
    for (const watch of this.#watches) {
      watch.socket?.resetAndDestroy()
    }
  }

  /** As etcd does after five minutes: who resumes from before gets 410. */
  compact(): void {
    this.#history = []
    this.#oldest = this.#version
  }

  /** A backup comes back: an older state, at an older version, and nobody knows better. */
  restore(objects: readonly ConfigMap[], version: number): void {
    this.#objects.clear()
    for (const object of objects) {
      this.#objects.set(object.metadata.name, object)
    }
    this.#history = []
    this.#version = version
    this.#oldest = version
  }

  async stop(): Promise<void> {
    this.#server.close()
    for (const socket of this.#sockets) {
      socket.destroy()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #happen(event: HistoryEvent): void {
    this.#history.push(event)
    if (!this.isSilent) {
      this.say({ type: event.type, object: event.object })
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://api')
    const verb = verbOf(request, url)
    let body = ''
    for await (const chunk of request) {
      body += String(chunk)
    }
    this.requests.push({
      verb,
      method: request.method ?? '',
      query: url.searchParams,
      contentType: request.headers['content-type'] ?? '',
      body,
      atMs: performance.now(),
    })
    const refusal = this.#refusals.find((each) => each.verb === undefined || each.verb === verb)
    if (refusal !== undefined) {
      this.#refuse(refusal, response)
    } else if (verb === 'watch') {
      this.#watch(url.searchParams, response)
    } else if (verb === 'list') {
      await this.#list(url.searchParams, response)
    } else {
      send(response, 200, { metadata: { name: 'x' } })
    }
  }

  #refuse(refusal: Refusal, response: ServerResponse): void {
    this.#refusals.splice(this.#refusals.indexOf(refusal), 1)
    if (refusal.times > 1) {
      this.#refusals.unshift({ ...refusal, times: refusal.times - 1 })
    }
    if (refusal.status === 0) {
      response.socket?.resetAndDestroy()
      return
    }
    if (refusal.retryAfterSeconds !== undefined) {
      response.setHeader('retry-after', String(refusal.retryAfterSeconds))
    }
    send(response, refusal.status, statusOf(refusal.status, refusal.reason ?? '', 'refused'))
  }

  async #list(query: URLSearchParams, response: ServerResponse): Promise<void> {
    if (this.slowListMs > 0) {
      await new Promise((resolve) => {
        setTimeout(resolve, this.slowListMs)
      })
    }
    const items = this.objects()
    const from = Number(query.get('continue') ?? 0)
    const page = items.slice(from, from + this.pageSize)
    const next = from + page.length < items.length ? String(from + page.length) : ''
    send(response, 200, {
      kind: 'ConfigMapList',
      metadata: { resourceVersion: String(this.#version), continue: next },
      // Items of a list do not say what they are.
      items: page.map(({ metadata, data }) => ({ metadata, data })),
    })
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'))
    if (from < this.#oldest) {
      send(response, 410, statusOf(410, 'Expired', 'too old resource version'))
      return
    }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    for (const { version, type, object } of this.#history) {
      if (version > from && !this.isSilent) {
        response.write(`${JSON.stringify({ type, object })}\n`)
      }
    }
    this.#watches.add(response)
    response.on('close', () => this.#watches.delete(response))
  }
}

function verbOf(request: IncomingMessage, url: URL): SeenRequest['verb'] {
  if (request.method !== 'GET') {
    return 'write'
  }
  if (url.searchParams.get('watch') === 'true') {
    return 'watch'
  }
  return url.pathname.endsWith('/configmaps') ? 'list' : 'get'
}

function statusOf(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
