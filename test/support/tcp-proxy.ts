import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A way to a server that can be cut: what a client sees of a server that is down, or of a network that swallows. */
export class TcpProxy {
  readonly port: number
  readonly #target: number
  readonly #sockets = new Set<Socket>()
  #server: Server

  private constructor(target: number, server: Server) {
    this.#target = target
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    this.#take(server)
  }

  static async to(target: number): Promise<TcpProxy> {
    return new TcpProxy(target, await listening(0))
  }

  /** Connections end, and new ones are refused. */
  async down(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) {
      socket.destroy()
    }
    await closed
  }

  async up(): Promise<void> {
    this.#server = await listening(this.port)
    this.#take(this.#server)
  }

  /** Connections stay open and carry nothing more. */
  silence(): void {
    for (const socket of this.#sockets) {
      socket.unpipe()
      socket.pause()
    }
  }

  #take(server: Server): void {
    server.on('connection', (near) => {
      const far = connect({ port: this.#target, host: '127.0.0.1' })
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one)
        one.on('error', () => undefined)
        one.on('close', () => {
          this.#sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
  }
}

function listening(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port, host: '127.0.0.1' }, () => resolve(server))
  })
}
