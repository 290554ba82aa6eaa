// Between a client and a server, on TCP: passes bytes, refuses connections, resets them, or keeps them and says nothing.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export class FaultProxy implements AsyncDisposable {
  /** `Silent`: connections stay, and are taken, but no byte passes. */
  mode: 'Pass' | 'Refuse' | 'Silent' = 'Pass'
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(target: string): Promise<FaultProxy> {
    const { hostname, port } = new URL(target)
    const proxy = new FaultProxy(hostname, Number(port))
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  private constructor(host: string, port: number) {
    this.#server = createServer((client) => {
      this.#keep(client)
      if (this.mode === 'Refuse') {
        client.resetAndDestroy()
        return
      }
      const server = connect(port, host)
      this.#keep(server)
      this.#pass(client, server)
      this.#pass(server, client)
    })
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo
    return `https://127.0.0.1:${port}`
  }

  reset(): void {
    for (const socket of this.#sockets) {
      socket.resetAndDestroy()
    }
  }

  stop(): Promise<void> {
    this.reset()
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #pass(from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      if (this.mode !== 'Silent') {
        to.write(chunk)
      }
    })
    from.on('close', () => to.destroy())
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
  }
}
