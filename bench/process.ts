import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { isAlive } from './cpu.ts'

/** The target has a core for itself; the upstream and the load generator share the other. */
export type Core = 'Target' | 'Load' | 'Any'

/** A yardstick or the gateway could not be started: says why and what to do. */
export class TargetUnavailable extends Error {
  override readonly name = 'TargetUnavailable'
}

const stopGraceMs = 10_000

export function findExecutable(
  name: string,
  extraFolders: readonly string[] = [],
): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...extraFolders]
  return folders
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

const taskset = findExecutable('taskset')
export const canPin = taskset !== undefined && availableParallelism() > 1

function pinned(core: Core, command: string, args: readonly string[]): [string, string[]] {
  if (taskset === undefined || !canPin || core === 'Any') {
    return [command, [...args]]
  }
  // taskset replaces itself by the command, so the child's pid is the command's.
  return [taskset, ['-c', core === 'Target' ? '0' : '1', command, ...args]]
}

const running = new Set<Child>()

/** Ends every child there is: for an interrupted run. */
export async function stopAllChildren(): Promise<void> {
  await Promise.all([...running].map((child) => child.stop()))
}

/** A child process of the bench; `stop` ends it with SIGTERM, then SIGKILL. */
export class Child {
  readonly name: string
  readonly #process: ChildProcess
  #output = ''

  constructor(
    name: string,
    core: Core,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
  ) {
    this.name = name
    const [executable, all] = pinned(core, command, args)
    this.#process = spawn(executable, all, { stdio: ['pipe', 'pipe', 'pipe'], env })
    running.add(this)
    this.#process.once('exit', () => running.delete(this))
    const { stdout, stderr } = this.#process
    for (const stream of [stdout, stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        this.#output = (this.#output + bytes.toString()).slice(-4000)
      })
    }
    this.#process.on('error', (error) => {
      this.#output += error.message
    })
  }

  get pid(): number {
    return this.#process.pid ?? -1
  }

  get hasExited(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  /** The last of what it printed, for messages. */
  get output(): string {
    return this.#output.trim()
  }

  get stdin(): NodeJS.WritableStream | null {
    return this.#process.stdin
  }

  /** Its first line on stdout, which our own children print once they listen. */
  async firstLine(timeoutMs: number): Promise<string> {
    const { stdout } = this.#process
    if (stdout === null || this.pid < 0) {
      throw new TargetUnavailable(`${this.name} did not start: ${this.output}`)
    }
    const lines = createInterface(stdout)
    try {
      const signal = AbortSignal.timeout(timeoutMs)
      const [line] = (await Promise.race([
        once(lines, 'line', { signal }),
        once(lines, 'close', { signal }).then(() => [undefined]),
      ])) as [string | undefined]
      if (line === undefined) {
        throw new TargetUnavailable(`${this.name} ended at once: ${this.output}`)
      }
      return line
    } finally {
      lines.close()
      stdout.resume()
    }
  }

  async stop(): Promise<void> {
    if (this.hasExited || this.pid < 0) {
      return
    }
    const exit = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), stopGraceMs)
    await exit
    clearTimeout(timer)
  }
}

/** A port that was free a moment ago, for programs that cannot report the one they got. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Asks `isReady` every 50 ms until it says so, the process is gone, or time is up. */
export async function waitUntil(
  what: string,
  child: Child,
  timeoutMs: number,
  isReady: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    if (child.hasExited || !isAlive(child.pid)) {
      throw new TargetUnavailable(`${child.name} ended before ${what}:\n${child.output}`)
    }
    if (await isReady().catch(() => false)) {
      return
    }
    if (Date.now() > deadline) {
      throw new TargetUnavailable(`${child.name}: no ${what} in ${timeoutMs} ms:\n${child.output}`)
    }
    await delay(50)
  }
}
