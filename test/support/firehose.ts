import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An engine that streams without end, as fast as anybody reads, and counts what it got rid of. */
export class Firehose {
  readonly #server = createServer((request, response) => {
    request.resume()
    request.on('end', () => this.#pour(response))
  })
  readonly #streams = new Set<ServerResponse>()
  readonly #model: string
  bytes = 0

  private constructor(model: string) {
    this.#model = model
  }

  static async start(model: string): Promise<Firehose> {
    const hose = new Firehose(model)
    await new Promise<void>((resolve) => hose.#server.listen(0, '127.0.0.1', () => resolve()))
    return hose
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get open(): number {
    return this.#streams.size
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  #pour(response: ServerResponse): void {
    const frame = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"${this.#model}","choices":[{"index":0,"delta":{"content":"${'word '.repeat(200)}"},"finish_reason":null}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}\n\n`
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    this.#streams.add(response)
    response.on('close', () => this.#streams.delete(response))
    const pour = (): void => {
      for (let writes = 0; writes < 32; writes += 1) {
        this.bytes += frame.length
        if (!response.write(frame)) {
          response.once('drain', pour)
          return
        }
      }
      setImmediate(pour)
    }
    pour()
  }
}
