// Between gateways and an engine: passes everything on, and remembers which adapter was called for when.
import { createServer, request, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

export interface SeenCall {
  /** The engine's name of what was called for. */
  readonly model: string
  readonly path: string
  readonly body: string
  readonly atMs: number
}

export class EngineTap {
  readonly calls: SeenCall[] = []
  readonly #server: Server

  /** On a port of `host`, in front of the engine on another port of it. */
  static async start(host: string, enginePort: number, port = 8000): Promise<EngineTap> {
    const tap = new EngineTap(host, enginePort)
    tap.#server.listen(port, host)
    await once(tap.#server, 'listening')
    return tap
  }

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo
    return `http://${address}:${port}`
  }

  private constructor(host: string, port: number) {
    this.#server = createServer((incoming, response) => {
      const pieces: Buffer[] = []
      const { method, url, headers } = incoming
      const onward = request({ host, port, method, path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        answer.on('error', () => response.destroy())
      })
      onward.on('error', () => response.destroy())
      response.on('close', () => onward.destroy())
      incoming.on('data', (piece: Buffer) => pieces.push(piece))
      incoming.on('end', () => {
        const body = Buffer.concat(pieces)
        this.#note(url ?? '', body.toString())
        onward.end(body)
      })
    })
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #note(path: string, body: string): void {
    const model = /"model":"([^"]+)"/.exec(body)?.[1]
    if (model !== undefined) {
      this.calls.push({ model, path, body, atMs: performance.now() })
    }
  }
}
