import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../src/engine/free-port.ts'

/** Where Debian and others put it; undefined where it is not installed. */
export const redisProgram = ['valkey-server', 'redis-server'].find((name) => {
  try {
    execFileSync(name, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})

/** A server of the test's own, on loopback, with a folder of its own. */
export class RedisServer {
  readonly port: number
  readonly folder: string
  readonly #settings: readonly string[]
  #process: ChildProcess | undefined

  private constructor(port: number, folder: string, settings: readonly string[]) {
    this.port = port
    this.folder = folder
    this.#settings = settings
  }

  /** Keeps what it is told, unless settings say otherwise. */
  static async start(settings: readonly string[] = []): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'loraplex-redis-'))
    const server = new RedisServer(await freePort(), folder, settings)
    await server.up()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  async up(): Promise<void> {
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder]
    this.#process = spawn(redisProgram ?? '', [...own, ...durable, ...this.#settings], {
      stdio: 'ignore',
    })
    while (!(await this.#answers())) {
      await delay(20)
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const running = this.#process
    if (running !== undefined && running.exitCode === null && running.signalCode === null) {
      const ended = once(running, 'exit')
      running.kill(signal)
      await ended
    }
  }

  /** Stopped and started again by signals: it hangs, and does not answer. */
  pause(): void {
    this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    this.#process?.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    await this.kill()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Ready, and not still loading its file. */
  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1')
      socket.once('error', () => resolve(false))
      socket.once('data', (data) => {
        socket.destroy()
        resolve(data.toString().startsWith('+PONG'))
      })
      socket.once('connect', () => socket.write('PING\r\n'))
    })
  }
}
