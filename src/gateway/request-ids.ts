import { randomFillSync } from 'node:crypto'

const bytesAnId = 12

/** I7: ids tell nothing of each other. One that counted on would tell each tenant how much the others ask. */
export class RequestIds {
  /** Filled for many at once: the random source is asked once in a while, not once a request. */
  readonly #bytes = Buffer.allocUnsafe(bytesAnId * 512)
  #at = this.#bytes.length

  next(): string {
    if (this.#at === this.#bytes.length) {
      randomFillSync(this.#bytes)
      this.#at = 0
    }
    const id = this.#bytes.toString('hex', this.#at, this.#at + bytesAnId)
    this.#at += bytesAnId
    return `req_${id}`
  }
}
