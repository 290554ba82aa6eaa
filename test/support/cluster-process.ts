import { spawn, type ChildProcess } from 'node:child_process'
import { openSync, closeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** One program of the node, its words in a file. */
export class ClusterProcess {
  readonly name: string
  readonly #child: ChildProcess
  readonly #log: string
  #stopping = false

  constructor(program: string, args: readonly string[], logs: string) {
    this.name = program.slice(program.lastIndexOf('/') + 1)
    this.#log = join(logs, `${this.name}.log`)
    const output = openSync(this.#log, 'a')
    this.#child = spawn(program, args, { stdio: ['ignore', output, output] })
    closeSync(output)
    this.#child.once('error', (error) => this.#complain(error.message))
    this.#child.once('exit', (code, signal) => this.#complain(`ended with ${code ?? signal}`))
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The last lines of what it said. */
  async lastWords(): Promise<string> {
    const text = await readFile(this.#log, 'utf8').catch(() => '')
    return text.trimEnd().split('\n').slice(-15).join('\n')
  }

  async stop(): Promise<void> {
    this.#stopping = true
    if (!this.isRunning) {
      return
    }
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.kill('SIGTERM')
    const timeout = new AbortController()
    const patience = delay(5_000, undefined, { signal: timeout.signal }).then(
      () => this.#child.kill('SIGKILL'),
      () => undefined,
    )
    await ended
    timeout.abort()
    await patience
  }

  #complain(words: string): void {
    if (!this.#stopping) {
      console.error(`${this.name} ${words}; its words: ${this.#log}`)
    }
  }
}
