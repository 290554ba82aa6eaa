import { createServer, type Server, type Socket } from 'node:net'

const headEnd = Buffer.from('\r\n\r\n')

export interface Exchange {
  readonly method: string
  readonly path: string
  readonly body: Buffer
  readonly socket: Socket
  /** To be called once the whole answer has been handed to the socket. */
  readonly end: () => void
}

/** An answer of known length, head and body in one buffer. */
export function wholeAnswer(status: number, type: string, body: Buffer): Buffer {
  const head = `HTTP/1.1 ${status} Bench\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

/** What precedes a body in HTTP's chunked framing. */
export const streamHead = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n',
)

/**
 * HTTP/1.1 for clients that keep connections alive, state a content length and do not pipeline: a third of node:http's cost,
 * which matters because the upstream shares a core with the load generator.
 */
export function createHttpServer(onExchange: (exchange: Exchange) => void): Server {
  return createServer({ noDelay: true }, (socket) => {
    let parts: Buffer[] = []
    let size = 0
    let wanted = 0
    let bodyAt = 0
    const end = () => {
      parts = []
      size = 0
      wanted = 0
    }
    socket.on('error', () => socket.destroy())
    socket.on('data', (bytes: Buffer) => {
      parts.push(bytes)
      size += bytes.length
      if (wanted === 0) {
        const known = parts.length === 1 ? bytes : Buffer.concat(parts)
        parts = [known]
        bodyAt = known.indexOf(headEnd) + headEnd.length
        if (bodyAt < headEnd.length) {
          return
        }
        wanted = bodyAt + contentLength(known.toString('latin1', 0, bodyAt))
      }
      if (size < wanted) {
        return
      }
      const [first = bytes] = parts
      const request = parts.length === 1 ? first : Buffer.concat(parts)
      const line = request.toString('latin1', 0, request.indexOf('\r\n'))
      const [method = '', path = ''] = line.split(' ')
      onExchange({ method, path, body: request.subarray(bodyAt), socket, end })
    })
  })
}

/** 0 where none is stated: a body in chunked framing is not understood. */
function contentLength(head: string): number {
  return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
}
