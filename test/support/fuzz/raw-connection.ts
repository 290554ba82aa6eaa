import { connect, type Socket } from 'node:net'
import { once } from 'node:events'

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A connection on which bytes go out as they are, and answers are read as a strict client reads them. */
export class RawConnection {
  readonly #socket: Socket
  #bytes = Buffer.alloc(0)
  #closed = false
  #wake: (() => void) | undefined

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const connection = new RawConnection(socket)
    await once(socket, 'connect')
    return connection
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk])
      this.#wake?.()
    })
    const close = (): void => {
      this.#closed = true
      this.#wake?.()
    }
    socket.on('end', close)
    socket.on('close', close)
    socket.on('error', close)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Bytes of an answer that is not whole. */
  get rest(): string {
    return this.#bytes.toString('latin1')
  }

  write(bytes: Buffer | string): void {
    this.#socket.write(bytes)
  }

  /** Nothing more comes from here. */
  finish(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** The next answer; undefined where the connection ended, or the time is up, before there was one. */
  async next(withinMs: number): Promise<RawAnswer | undefined> {
    const deadline = performance.now() + withinMs
    for (;;) {
      const taken = takeAnswer(this.#bytes)
      if (taken !== undefined) {
        this.#bytes = taken.rest
        if (taken.answer.status >= 200) {
          return taken.answer
        }
        continue
      }
      const leftMs = deadline - performance.now()
      if (this.#closed || leftMs <= 0) {
        return undefined
      }
      await this.#more(leftMs)
    }
  }

  async untilBytes(count: number, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs
    while (this.#bytes.length < count && !this.#closed && performance.now() < deadline) {
      await this.#more(deadline - performance.now())
    }
  }

  async #more(withinMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = undefined
  }
}

function takeAnswer(
  bytes: Buffer<ArrayBuffer>,
): { readonly answer: RawAnswer; readonly rest: Buffer<ArrayBuffer> } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) {
    return undefined
  }
  const [line = '', ...fields] = bytes.toString('latin1', 0, end).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(line)?.[1] ?? Number.NaN)
  if (Number.isNaN(status)) {
    throw new Error(`this is no answer: ${bytes.toString('latin1').slice(0, 200)}`)
  }
  const headers: Record<string, string> = {}
  for (const field of fields) {
    const colon = field.indexOf(':')
    headers[field.slice(0, colon).toLowerCase()] = field.slice(colon + 1).trim()
  }
  const length = status < 200 ? 0 : headers['content-length']
  const start = end + 4
  if (length !== undefined) {
    const stop = start + Number(length)
    return bytes.length < stop
      ? undefined
      : {
          answer: { status, headers, body: bytes.toString('utf8', start, stop) },
          rest: bytes.subarray(stop),
        }
  }
  return takeChunks(bytes, start, { status, headers })
}

function takeChunks(
  bytes: Buffer<ArrayBuffer>,
  start: number,
  head: Omit<RawAnswer, 'body'>,
): { readonly answer: RawAnswer; readonly rest: Buffer<ArrayBuffer> } | undefined {
  const pieces: Buffer[] = []
  let at = start
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) {
      return undefined
    }
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (bytes.length < next) {
      return undefined
    }
    if (size === 0) {
      const body = Buffer.concat(pieces).toString('utf8')
      return { answer: { ...head, body }, rest: bytes.subarray(next) }
    }
    pieces.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = next
  }
}
