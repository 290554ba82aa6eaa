import { connect, type Socket } from 'node:net'
import { request } from 'undici'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  readonly json: () => unknown
}

export interface CallOptions {
  readonly key?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: object | string | Buffer
  readonly signal?: AbortSignal
}

/** One HTTP request with a tenant's key, read to its end. */
export async function call(url: string, options: CallOptions = {}): Promise<HttpAnswer> {
  const end = await begin(url, options)
  return end()
}

/** One HTTP request with a tenant's key, once the first byte of its answer has come; what it returns reads to the end. */
export async function begin(
  url: string,
  options: CallOptions = {},
): Promise<() => Promise<HttpAnswer>> {
  const { key, body, headers, method, signal } = options
  const answer = await request(url, {
    method: (method ?? (body === undefined ? 'GET' : 'POST')) as 'GET',
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    headersTimeout: 60_000,
    bodyTimeout: 60_000,
    ...(signal === undefined ? {} : { signal }),
    ...(body === undefined
      ? {}
      : { body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
  })
  const chunks = answer.body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const first = await chunks.next()
  return async () => {
    const body: Buffer[] = []
    for (let chunk = first; chunk.done !== true; chunk = await chunks.next()) {
      body.push(chunk.value)
    }
    const text = Buffer.concat(body).toString()
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text,
      json: () => JSON.parse(text) as unknown,
    }
  }
}

/** The `data:` payloads of an event stream. */
export function dataOf(text: string): readonly string[] {
  return text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))
}

/**
 * Bytes as they are, one connection: what no HTTP client would send. Resolves with everything that came until the end, or
 * until nothing more came for `waitMs`; without a first byte after 10 s.
 */
export async function sendRaw(
  port: number,
  bytes: string | Buffer,
  options: { readonly waitMs?: number; readonly endAfterWrite?: boolean } = {},
): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(Buffer.concat(chunks).toString('latin1'))
    }
    let timer = setTimeout(finish, 10_000)
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      clearTimeout(timer)
      timer = setTimeout(finish, options.waitMs ?? 1500)
    })
    socket.on('end', finish)
    socket.on('error', finish)
    socket.on('connect', () => {
      socket.write(bytes)
      if (options.endAfterWrite === true) {
        socket.end()
      }
    })
  })
}

/** A request on a connection of its own that the test reads, or does not. */
export function openRaw(port: number, bytes: string): Socket {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  socket.write(bytes)
  return socket
}

export function rawPost(path: string, key: string, body: object): string {
  const text = JSON.stringify(body)
  return `POST ${path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
}
