import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

export interface ShellPlace {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** Runs a block as a person's shell does, but stops at the first command that fails. */
export async function runBlock(text: string, place: ShellPlace): Promise<string> {
  const shell = spawn('bash', ['-e', '-u', '-o', 'pipefail', '-c', text], {
    ...place,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = collect(shell)
  const [code] = await once(shell, 'close')
  if (code !== 0) {
    throw new Error(`ended with ${String(code)}:\n${text}\n\n${output()}`)
  }
  return output()
}

/** A command that goes on until somebody ends it, such as `npm start`. */
export class LongCommand {
  readonly #child: ChildProcess
  readonly #output: () => string

  constructor(text: string, place: ShellPlace) {
    // A group of its own: whatever it leaves behind can be found, and ended.
    this.#child = spawn('bash', ['-c', `exec ${text}`], {
      ...place,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    this.#output = collect(this.#child)
  }

  get output(): string {
    return this.#output()
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** SIGTERM, as a supervisor sends it; resolves when the command is over. */
  async terminate(): Promise<number | null> {
    const ended = this.hasEnded ? undefined : once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
    return this.#child.exitCode
  }

  /** Whether any process of its group still lives. */
  get hasSurvivors(): boolean {
    return this.#signalGroup(0)
  }

  /**
   * For the end of a test, whatever happened in it: the whole group is asked first, because engines are in groups of their
   * own and only the service ends those.
   */
  async stop(): Promise<void> {
    this.#signalGroup('SIGTERM')
    const deadline = performance.now() + 20_000
    while (this.hasSurvivors && performance.now() < deadline) {
      await delay(50)
    }
    this.#signalGroup('SIGKILL')
  }

  #signalGroup(signal: NodeJS.Signals | 0): boolean {
    try {
      return this.#child.pid !== undefined && process.kill(-this.#child.pid, signal)
    } catch {
      return false
    }
  }
}

function collect(child: ChildProcess): () => string {
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => chunks.push(chunk))
  }
  return () => Buffer.concat(chunks).toString('utf8')
}
