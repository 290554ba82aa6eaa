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
  readonly #process: ChildProcess

  private constructor(url: string, folder: string, running: ChildProcess) {
    this.url = url
    this.#folder = folder
    this.#process = running
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
    const running = spawn(
      join(programs, 'postgres'),
      ['-D', data, ...[...options, ...settings].flatMap((option) => ['-c', option])],
      child,
    )
    const server = new PostgresServer(
      `postgres://loraplex@127.0.0.1:${port}/postgres`,
      folder,
      running,
    )
    await server.#answers()
    return server
  }

  /** SIGINT: connections are cut, the files are clean. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGINT')
      await ended
    }
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
