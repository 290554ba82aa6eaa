// A file server with TLS on loopback that can be told to break off, to lie and to redirect.
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

const tls = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url)), 'utf8')

export const testCertificate = tls('cert.pem')

export interface SeenRequest {
  readonly host: string
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => boolean

export interface HttpsFiles extends AsyncDisposable {
  readonly port: number
  readonly files: Map<string, Buffer>
  readonly seen: SeenRequest[]
  etag: string | undefined
  /** Where answers break off, in bytes of the file, one for each request in turn. */
  readonly cuts: number[]
  /** First: true where it has answered. */
  before: Handler
  url(path: string, host?: string): string
}

/** By path; ranges with If-Range as a careful server does. */
export async function serveFiles(): Promise<HttpsFiles> {
  const it: Omit<HttpsFiles, 'port' | 'url' | typeof Symbol.asyncDispose> = {
    files: new Map(),
    seen: [],
    etag: '"one"',
    cuts: [],
    before: () => false,
  }
  const server = createServer({ key: tls('key.pem'), cert: tls('cert.pem') }, (request, response) =>
    answer(all, request, response),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const all: HttpsFiles = Object.assign(it, {
    port,
    url: (path: string, host = 'adapters.test') => `https://${host}:${port}${path}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  })
  return all
}

function answer(it: HttpsFiles, request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? ''
  const { range, authorization, host = '' } = request.headers
  it.seen.push({ host: host.replace(/:\d+$/, ''), path, range, authorization })
  if (it.before(request, response)) {
    return
  }
  const content = it.files.get(path)
  if (content === undefined) {
    response.writeHead(404).end()
    return
  }
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
  const partial = from > 0 && request.headers['if-range'] === it.etag
  const start = partial ? from : 0
  response.writeHead(partial ? 206 : 200, {
    ...(it.etag === undefined ? {} : { etag: it.etag }),
    'content-length': content.length - start,
    ...(partial
      ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` }
      : {}),
  })
  const cut = it.cuts.shift()
  if (cut === undefined) {
    response.end(content.subarray(start))
  } else {
    response.write(content.subarray(start, Math.max(start, cut)), () => response.destroy())
  }
}
