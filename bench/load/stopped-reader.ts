import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** How long a reader that reads again waits for the news that it was cut off. */
const newsMs = 5_000

export interface StoppedReaderOptions {
  readonly host: string
  readonly port: number
  readonly request: Buffer
  /** How long it does not read before it leaves and comes again. */
  readonly holdMs: number
}

/** Asks for a stream, reads its first bytes and then nothing more; leaves after a while and begins anew. */
export class StoppedReader {
  readonly #options: StoppedReaderOptions
  #socket: Socket | undefined
  #isOver = false
  /** Streams that were begun, and those that the server had ended when somebody looked again. */
  begun = 0
  cut = 0

  constructor(options: StoppedReaderOptions) {
    this.#options = options
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => {
      this.#isOver = true
      this.#socket?.destroy()
    })
    while (!this.#isOver) {
      await this.#once(signal).catch(() => delay(1_000))
    }
  }

  async #once(signal: AbortSignal): Promise<void> {
    const { host, port, request, holdMs } = this.#options
    const socket = connect({ host, port, noDelay: true })
    this.#socket = socket
    try {
      socket.on('error', () => socket.destroy())
      socket.write(request)
      await once(socket, 'data', { signal })
      socket.pause()
      this.begun++
      await delay(holdMs, undefined, { signal })
      socket.resume()
      await Promise.race([once(socket, 'close', { signal }), delay(newsMs, undefined, { signal })])
      this.cut += Number(socket.destroyed)
    } finally {
      socket.destroy()
    }
  }
}
