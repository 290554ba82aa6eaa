import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { strippedVariables } from './launch-arguments.ts'
import { groupMembers, identify, signalGroup } from './process-identity.ts'
import type { ProcessIdentity } from './process-identity.ts'

/** What to run; never through a shell. */
export interface EngineCommand {
  readonly file: string
  readonly args: readonly string[]
  /** Laid over the parent's environment, from which our own settings and what would open vLLM up are taken out. */
  readonly env: Readonly<Record<string, string>>
}

/** One life of an engine's process: from spawn to the death of its whole group. */
export class EngineProcess {
  /** Undefined when it could not be started at all. */
  readonly pid: number | undefined
  /** Resolves, in words, as soon as the founder of the group is gone. Never rejects. */
  readonly exited: Promise<string>
  readonly #identity: ProcessIdentity | undefined
  #hasExited = false

  constructor(command: EngineCommand, onOutput: (chunk: Buffer) => void) {
    const child = spawn(command.file, command.args, {
      // A group of its own: vLLM's engine core and workers are its children and must die with it, and a Ctrl-C in the
      // terminal must reach us alone, so that streams are drained first.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: engineEnvironment(command.env),
    })
    child.stdout.on('data', onOutput)
    child.stderr.on('data', onOutput)
    this.pid = child.pid
    this.#identity = child.pid === undefined ? undefined : identify(child.pid)
    const failed = once(child, 'error').then(([error]) => `could not be started: ${words(error)}`)
    const ended = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) =>
        resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`),
      )
    })
    this.exited = Promise.race([failed, ended]).then((how) => {
      this.#hasExited = true
      return how
    })
  }

  /** SIGTERM to the founder, which drains; SIGKILL to the whole group after `graceMs`. Resolves when all are gone. */
  async stop(graceMs: number): Promise<void> {
    if (this.pid === undefined) {
      return
    }
    if (!this.#hasExited) {
      this.#signal('SIGTERM')
      const timer = new AbortController()
      const grace = delay(graceMs, undefined, { signal: timer.signal, ref: false })
      await Promise.race([this.exited, grace.catch(() => undefined)])
      timer.abort()
    }
    // Also after a clean exit: a worker that stayed keeps the accelerator's memory.
    signalGroup(this.pid, 'SIGKILL')
    await this.exited
    await this.#groupGone()
  }

  #signal(signal: NodeJS.Signals): void {
    try {
      process.kill(this.pid ?? 0, signal)
    } catch {
      // It is gone already.
    }
  }

  async #groupGone(): Promise<void> {
    const leader = this.#identity
    // Killed members can stay for a moment, in the kernel's hands (a GPU driver takes seconds).
    for (let waited = 0; waited < 500; waited += 1) {
      if (leader === undefined || groupMembers(leader).length === 0) {
        return
      }
      await delay(20)
    }
  }
}

function engineEnvironment(over: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('LORAPLEX_') && !strippedVariables.includes(name),
  )
  return { ...Object.fromEntries(inherited), ...over }
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
