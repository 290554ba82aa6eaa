import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'

/**
 * The body of a streamed answer. It frames HTTP chunks itself: Node sends a chunk as four pieces (length, line end, data, line
 * end), which costs more than everything else that is done with a chunk; as one string it is one write.
 */
export class StreamBody {
  readonly #response: ServerResponse
  #framed = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  begin(status: number, headers: OutgoingHttpHeaders): void {
    const response = this.#response
    response.writeHead(status, headers)
    // Node has decided: an HTTP/1.0 caller gets no chunks, its body ends with the connection.
    this.#framed = response.chunkedEncoding
    response.chunkedEncoding = false
  }

  /** `text` is bytes as latin1. False: the caller takes no more for now, `drain` tells when it does. */
  write(text: string): boolean {
    return this.#response.write(this.#framed ? frame(text) : text, 'latin1')
  }

  /** `text` is bytes as latin1; may be empty. */
  end(text: string): void {
    if (!this.#framed) {
      this.#response.end(text, 'latin1')
      return
    }
    this.#response.end(`${text === '' ? '' : frame(text)}0\r\n\r\n`, 'latin1')
  }
}

function frame(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`
}
