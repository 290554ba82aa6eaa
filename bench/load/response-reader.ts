const headEnd = Buffer.from('\r\n\r\n')
const lineEnd = Buffer.from('\r\n')
const frameEnd = Buffer.from('\n\n')
const newline = 10
const nothing = Buffer.alloc(0)
/** Bytes of the body's end that are kept: holds the last usage object and `[DONE]`. */
const tailBytes = 1024

type State = 'Head' | 'Sized' | 'ChunkSize' | 'ChunkData' | 'ChunkEnd' | 'Done'

/**
 * Reads one HTTP/1.1 response after another from a connection's bytes, as cheaply as a benchmark client must. It counts SSE
 * frames (blank lines) and keeps the end of the body. No pipelining, no trailers, no informational responses.
 */
export class ResponseReader {
  #state: State = 'Head'
  #rest: Buffer = nothing
  #remaining = 0
  #lastByte = 0
  #tail: Buffer = nothing
  status = 0
  /** The server closes the connection after this response. */
  closes = false
  frames = 0
  bodyBytes = 0

  get tail(): string {
    return this.#tail.toString('latin1')
  }

  reset(): void {
    this.#state = 'Head'
    this.#rest = nothing
    this.#lastByte = 0
    this.#tail = nothing
    this.status = 0
    this.closes = false
    this.frames = 0
    this.bodyBytes = 0
  }

  /** Takes what arrived and keeps no reference to it; true once the response is complete. */
  read(arrived: Buffer): boolean {
    const bytes = this.#rest.length === 0 ? arrived : Buffer.concat([this.#rest, arrived])
    this.#rest = nothing
    let at = 0
    while (this.#state !== 'Done' && at < bytes.length) {
      const next = this.#step(bytes, at)
      if (next < 0) {
        this.#rest = Buffer.from(bytes.subarray(at))
        break
      }
      at = next
    }
    return this.#state === 'Done'
  }

  /** Offset after what was understood, or -1 when more bytes are needed. */
  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'Head':
        return this.#readHead(bytes, at)
      case 'ChunkSize':
        return this.#readChunkSize(bytes, at)
      case 'ChunkEnd':
        return this.#readChunkEnd(bytes, at)
      case 'Sized':
      case 'ChunkData':
        return this.#readBody(bytes, at)
      case 'Done':
        return bytes.length
      default:
        return this.#state satisfies never
    }
  }

  #readHead(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(headEnd, at)
    if (end < 0) {
      return -1
    }
    const head = bytes.toString('latin1', at, end).toLowerCase()
    this.status = Number(head.slice(9, 12))
    this.closes = head.includes('\r\nconnection: close')
    const length = /\r\ncontent-length: *(\d+)/.exec(head)
    if (length === null) {
      this.#state = 'ChunkSize'
    } else {
      this.#remaining = Number(length[1])
      this.#state = this.#remaining === 0 ? 'Done' : 'Sized'
    }
    return end + headEnd.length
  }

  #readChunkSize(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(lineEnd, at)
    if (end < 0) {
      return -1
    }
    this.#remaining = Number.parseInt(bytes.toString('latin1', at, end), 16)
    this.#state = this.#remaining === 0 ? 'ChunkEnd' : 'ChunkData'
    return end + lineEnd.length
  }

  #readChunkEnd(bytes: Buffer, at: number): number {
    if (bytes.length - at < lineEnd.length) {
      return -1
    }
    // A chunk's end is followed by a size; the last (empty) chunk's ends the response.
    this.#state = this.#remaining === 0 ? 'Done' : 'ChunkSize'
    return at + lineEnd.length
  }

  #readBody(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#remaining)
    this.#take(bytes.subarray(at, end))
    this.#remaining -= end - at
    if (this.#remaining === 0) {
      if (this.#state === 'Sized') {
        this.#state = 'Done'
      } else {
        this.#remaining = -1 // not the empty chunk
        this.#state = 'ChunkEnd'
      }
    }
    return end
  }

  #take(part: Buffer): void {
    this.bodyBytes += part.length
    if (this.#lastByte === newline && part[0] === newline) {
      this.frames++
    }
    for (let at = part.indexOf(frameEnd); at >= 0; at = part.indexOf(frameEnd, at + 2)) {
      this.frames++
    }
    this.#lastByte = part.at(-1) ?? 0
    this.#tail =
      part.length >= tailBytes
        ? Buffer.from(part.subarray(-tailBytes))
        : Buffer.concat([this.#tail.subarray(-(tailBytes - part.length)), part])
  }
}
