import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

const root = join(import.meta.dirname, '..', '..')

/** `loraplex up` as a process of its own, as a user starts it. */
export class UpProcess {
  readonly folder: string
  #child: ChildProcess | undefined
  #output = ''

  private constructor(folder: string) {
    this.folder = folder
  }

  static create(files: Readonly<Record<string, string>>): UpProcess {
    const up = new UpProcess(mkdtempSync(join(tmpdir(), 'loraplex-up-')))
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(up.folder, name), text)
    }
    return up
  }

  get output(): string {
    return this.#output
  }

  /** Resolves when the table is printed. */
  async start(...options: readonly string[]): Promise<void> {
    this.#output = ''
    const child = spawn(
      process.execPath,
      [
        join(root, 'bin/loraplex.mjs'),
        'up',
        this.folder,
        '--engine',
        'simulator',
        '--state',
        this.state,
        '--port',
        '0',
        '--admin-port',
        '0',
        ...options,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    this.#child = child
    child.stdout.on('data', (chunk: Buffer) => (this.#output += String(chunk)))
    child.stderr.on('data', (chunk: Buffer) => (this.#output += String(chunk)))
    const deadline = Date.now() + 60_000
    while (!this.#output.includes('Operator:')) {
      if (child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`loraplex up did not come up:\n${this.#output}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  get state(): string {
    return join(this.folder, '.loraplex')
  }

  get url(): string {
    return /Tenants:\s+(\S+)\/v1/.exec(this.#output)?.[1] ?? ''
  }

  get adminUrl(): string {
    return /Operator:\s+(\S+)\/metrics/.exec(this.#output)?.[1] ?? ''
  }

  key(tenant: string): string {
    return new RegExp(`^${tenant}\\s.*\\s(lpx_\\S+)$`, 'm').exec(this.#output)?.[1] ?? ''
  }

  /** The service itself: the shim re-executes it on the pinned Node. */
  get servicePid(): number {
    const shim = this.#child?.pid ?? 0
    return Number(readFileSync(`/proc/${shim}/task/${shim}/children`, 'utf8').trim().split(' ')[0])
  }

  enginePids(): readonly number[] {
    const engines = join(this.state, 'engines')
    return readdirSync(engines)
      .filter((name) => name.endsWith('.pid'))
      .map(
        (name) =>
          (JSON.parse(readFileSync(join(engines, name), 'utf8')) as { engine: { pid: number } })
            .engine.pid,
      )
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  async exited(): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return child?.exitCode ?? null
    }
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }

  async dispose(): Promise<void> {
    if (
      this.#child !== undefined &&
      this.#child.exitCode === null &&
      this.#child.signalCode === null
    ) {
      this.#child.kill('SIGTERM')
      this.#child.kill('SIGTERM')
      await this.exited()
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}
