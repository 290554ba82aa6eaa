// Between gateways and an engine: passes everything on, and remembers which adapter was called for when.
import { createServer, request, type Server } from 'node:http'
import { once } from 'node:events'

export interface SeenCall {
  /** The engine's name of what was called for. */
  readonly model: string
  readonly atMs: number
}

export class EngineTap {
  readonly calls: SeenCall[] = []
  readonly #server: Server

  /** On `host`:8000, in front of the engine on another port of it. */
  static async start(host: string, enginePort: number): Promise<EngineTap> {
    const tap = new EngineTap(host, enginePort)
    tap.#server.listen(8000, host)
    await once(tap.#server, 'listening')
    return tap
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
        this.#note(body.toString())
        onward.end(body)
      })
    })
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #note(body: string): void {
    const model = /"model":"([^"]+)"/.exec(body)?.[1]
    if (model !== undefined) {
      this.calls.push({ model, atMs: performance.now() })
    }
  }
}
