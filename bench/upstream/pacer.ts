import type { Socket } from 'node:net'
import type { StreamFrames } from './answers.ts'
import { streamHead } from './http-server.ts'

interface PacedStream {
  readonly socket: Socket
  readonly frames: StreamFrames
  readonly onEnd: () => void
  next: number
}

/**
 * Writes one chunk a tick to every open stream, as vLLM does: an engine step yields one token for all of them, so their
 * chunks leave together, each alone on its own connection.
 */
export class Pacer {
  readonly #streams = new Map<Socket, PacedStream>()
  #timer: NodeJS.Timeout | undefined
  #tickMs = 0

  get tickMs(): number {
    return this.#tickMs
  }

  /** 0 writes a whole stream at once. Open streams go on at the new pace. */
  setTickMs(tickMs: number): void {
    this.#tickMs = tickMs
    clearInterval(this.#timer)
    this.#timer = tickMs > 0 ? setInterval(() => this.#tick(), tickMs) : undefined
  }

  /** Starts a stream; `onEnd` is called when its last byte is written, not when the socket goes away before. */
  add(socket: Socket, frames: StreamFrames, onEnd: () => void): void {
    if (this.#tickMs === 0) {
      socket.write(Buffer.concat([streamHead, frames.all()]))
      onEnd()
      return
    }
    // vLLM's headers leave before the first token.
    socket.write(streamHead)
    this.#streams.set(socket, { socket, frames, onEnd, next: 0 })
  }

  remove(socket: Socket): void {
    this.#streams.delete(socket)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    for (const stream of this.#streams.values()) {
      const { socket, frames, onEnd } = stream
      if (socket.writableNeedDrain) {
        continue // a slow reader gets its chunk at a later tick
      }
      const index = stream.next++
      socket.write(frames.write(index))
      if (index === frames.chunks - 1) {
        this.#streams.delete(socket)
        onEnd()
      }
    }
  }
}
