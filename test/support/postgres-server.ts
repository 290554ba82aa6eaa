import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from '../../src/engine/free-port.ts'

/** Debian keeps a folder a version. */
const debianFolder = '/usr/lib/postgresql'

/** Where `initdb` and `postgres` lie; undefined where they are not installed. */
export const postgresPrograms = (existsSync(debianFolder) ? readdirSync(debianFolder) : [])
  .toSorted((left, right) => Number(right) - Number(left))
  .map((version) => join(debianFolder, version, 'bin'))
  .find((folder) => existsSync(join(folder, 'initdb')))

/** A server of the test's own, on loopback, with a folder of its own. Postgres never runs as root. */
export class PostgresServer {
  readonly url: string
  readonly #folder: string
  readonly #start: () => ChildProcess
  #process: ChildProcess | undefined

  private constructor(url: string, folder: string, start: () => ChildProcess) {
    this.url = url
    this.#folder = folder
    this.#start = start
  }

  static async start(settings: readonly string[] = []): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'loraplex-postgres-'))
    const owner = process.getuid?.() === 0 ? nobody() : undefined
    if (owner !== undefined) {
      chownSync(folder, owner.uid, owner.gid)
    }
    const data = join(folder, 'data')
    const programs = postgresPrograms ?? ''
    const account = ['--username', 'loraplex', '--auth', 'trust', '--no-sync']
    const child = { stdio: 'ignore', cwd: '/', ...owner } as const
    execFileSync(join(programs, 'initdb'), ['--pgdata', data, ...account, '--encoding', 'UTF8'], {
      ...child,
    })
    const port = await freePort()
    const options = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=`]
    const args = ['-D', data, ...[...options, ...settings].flatMap((option) => ['-c', option])]
    const server = new PostgresServer(
      `postgres://loraplex@127.0.0.1:${port}/postgres`,
      folder,
      () => spawn(join(programs, 'postgres'), args, child),
    )
    await server.up()
    return server
  }

  async up(): Promise<void> {
    this.#process = this.#start()
    await this.#answers()
  }

  /** SIGQUIT is its crash: every process of it ends at once, nothing is written, and the next start recovers. */
  async kill(signal: NodeJS.Signals = 'SIGQUIT'): Promise<void> {
    const running = this.#process
    if (running !== undefined && running.exitCode === null && running.signalCode === null) {
      const ended = once(running, 'exit')
      running.kill(signal)
      await ended
    }
  }

  /** SIGINT: connections are cut, the files are clean. */
  async stop(): Promise<void> {
    await this.kill('SIGINT')
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #answers(): Promise<void> {
    for (;;) {
      const client = new pg.Client({ connectionString: this.url })
      try {
        await client.connect()
        await client.end()
        return
      } catch {
        await delay(50)
      }
    }
  }
}

function nobody(): { readonly uid: number; readonly gid: number } {
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}
