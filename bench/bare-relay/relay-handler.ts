import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'

/** Passes one answer on, as it comes. */
export class RelayHandler implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#response.once('close', () => {
      if (!this.#response.writableFinished) {
        controller.abort(new Error('the client went away'))
      }
    })
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
  ): void {
    const passed = ['content-type', String(headers['content-type'])]
    const length = headers['content-length']
    if (length !== undefined) {
      passed.push('content-length', length)
    }
    this.#response.writeHead(statusCode, passed)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#response.write(chunk)) {
      controller.pause()
      this.#response.once('drain', () => controller.resume())
    }
  }

  onResponseEnd(): void {
    this.#response.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#response.headersSent) {
      this.#response.destroy(error)
    } else {
      this.#response.writeHead(502).end()
    }
  }
}
