import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface PythonOutcome {
  readonly answer?: Record<string, unknown>
  readonly error?: {
    readonly classes: readonly string[]
    readonly status: number | null
    readonly code: string | null
    readonly param: string | null
    readonly message: string
    readonly request_id: string | null
    /** Of Anthropic's package. */
    readonly body?: unknown
  }
  /** Seconds, one an HTTP request. */
  readonly attempts: readonly number[]
  /** Chunks of a stream before its end or its error. */
  readonly seen: number
}

/** One Python process with a vendor's real package; `script` lies in test/clients. */
export class PythonClient {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, PromiseWithResolvers<PythonOutcome>>()
  #orders = 0

  constructor(executable: string, script: string) {
    const path = fileURLToPath(new URL(`../clients/${script}`, import.meta.url))
    this.#child = spawn(executable, [path], { stdio: ['pipe', 'pipe', 'inherit'] })
    const { stdout } = this.#child
    if (stdout === null) {
      throw new Error('the worker has no output')
    }
    const lines = createInterface({ input: stdout })
    lines.on('line', (line) => {
      const { order, ...outcome } = JSON.parse(line) as PythonOutcome & { readonly order: number }
      this.#waiting.get(order)?.resolve(outcome)
      this.#waiting.delete(order)
    })
    lines.on('close', () => {
      for (const waiting of this.#waiting.values()) {
        waiting.reject(new Error('the worker has ended'))
      }
    })
  }

  order(what: string, fields: object = {}): Promise<PythonOutcome> {
    this.#orders += 1
    const waiting = Promise.withResolvers<PythonOutcome>()
    this.#waiting.set(this.#orders, waiting)
    this.#child.stdin?.write(`${JSON.stringify({ order: this.#orders, do: what, ...fields })}\n`)
    return waiting.promise
  }

  async close(): Promise<void> {
    this.#child.stdin?.end()
    await once(this.#child, 'exit')
  }
}
