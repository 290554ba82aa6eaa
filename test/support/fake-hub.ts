// A hub on loopback: metadata, files on another host name, and faults.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface HubRequest {
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

export interface FakeHub extends AsyncDisposable {
  readonly endpoint: string
  readonly files: Map<string, Buffer>
  readonly seen: HubRequest[]
  commit: string
  token: string | undefined
  /** Where files break off, one for each request in turn. */
  readonly cuts: number[]
  /** Content that is sent in place of what the metadata says. */
  readonly lies: Map<string, Buffer>
}

/** Files over this size have LFS metadata, as on the real one. */
const lfsFrom = 1000

export async function startFakeHub(): Promise<FakeHub> {
  const server = createServer((request, response) => answer(hub, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const hub: FakeHub = {
    endpoint: `http://127.0.0.1:${port}`,
    files: new Map(),
    seen: [],
    commit: 'c0ffee'.padEnd(40, '0'),
    token: undefined,
    cuts: [],
    lies: new Map(),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return hub
}

function answer(hub: FakeHub, request: IncomingMessage, response: ServerResponse): void {
  const path = decodeURIComponent(request.url ?? '')
  const { range, authorization } = request.headers
  hub.seen.push({ path, range, authorization })
  const blob = /^\/cdn\/(.+)$/.exec(path)?.[1]
  if (blob !== undefined) {
    sendFile(hub, blob, range, response)
  } else if (hub.token !== undefined && authorization !== `Bearer ${hub.token}`) {
    response.writeHead(401).end()
  } else if (path.startsWith('/api/models/org/tiny/revision/main?')) {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(infoOf(hub)))
  } else {
    const file = new RegExp(`^/org/tiny/resolve/${hub.commit}/(.+)$`).exec(path)?.[1]
    if (file === undefined || !hub.files.has(file)) {
      response.writeHead(404).end()
    } else {
      const { port } = new URL(hub.endpoint)
      response.writeHead(302, { location: `http://localhost:${port}/cdn/${file}` }).end()
    }
  }
}

function infoOf(hub: FakeHub): object {
  return {
    sha: hub.commit,
    siblings: [...hub.files].map(([rfilename, content]) => ({
      rfilename,
      size: content.length,
      blobId: createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex'),
      ...(content.length < lfsFrom
        ? {}
        : {
            lfs: {
              sha256: createHash('sha256').update(content).digest('hex'),
              size: content.length,
            },
          }),
    })),
  }
}

function sendFile(
  hub: FakeHub,
  name: string,
  range: string | undefined,
  response: ServerResponse,
): void {
  const content = hub.lies.get(name) ?? hub.files.get(name) ?? Buffer.alloc(0)
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0)
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': content.length - from,
    ...(from > 0
      ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }
      : {}),
  })
  const cut = name.endsWith('.safetensors') ? hub.cuts.shift() : undefined
  if (cut === undefined) {
    response.end(content.subarray(from))
  } else {
    response.write(content.subarray(from, Math.max(from, cut)), () => response.destroy())
  }
}
