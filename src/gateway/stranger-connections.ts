import type { Socket } from 'node:net'

/** More than that many clients connect at once and say nothing only if they mean to. */
const defaultMost = 4096

/**
 * Connections on which nobody has shown a valid key yet. They are bounded, and the oldest one makes room: a client with a
 * key shows it with its first bytes, so whoever opens thousands of connections and dawdles pushes out its own.
 */
export class StrangerConnections {
  readonly #sockets = new Set<Socket>()
  readonly #most: number
  readonly #cut: (socket: Socket) => void

  /** @param cut ends a connection. */
  constructor(cut: (socket: Socket) => void, most = defaultMost) {
    this.#cut = cut
    this.#most = most
  }

  get size(): number {
    return this.#sockets.size
  }

  add(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (this.#sockets.size > this.#most) {
      const [oldest] = this.#sockets
      if (oldest !== undefined) {
        this.#sockets.delete(oldest)
        this.#cut(oldest)
      }
    }
  }

  /** Somebody with a valid key is there. */
  admit(socket: Socket): void {
    this.#sockets.delete(socket)
  }
}
