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
  }
  /** Seconds, one an HTTP request. */
  readonly attempts: readonly number[]
}

/** One Python process with a vendor's real package; does one thing at a time. `script` lies in test/clients. */
export class PythonClient {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(executable: string, script: string) {
    const path = fileURLToPath(new URL(`../clients/${script}`, import.meta.url))
    this.#child = spawn(executable, [path], { stdio: ['pipe', 'pipe', 'inherit'] })
    const { stdout } = this.#child
    if (stdout === null) {
      throw new Error('the worker has no output')
    }
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  }

  async order(what: string, fields: object = {}): Promise<PythonOutcome> {
    this.#child.stdin?.write(`${JSON.stringify({ do: what, ...fields })}\n`)
    return this.line<PythonOutcome>()
  }

  async line<T>(): Promise<T> {
    const { value, done } = await this.#lines.next()
    if (done === true) {
      throw new Error('the worker has ended')
    }
    return JSON.parse(value) as T
  }

  async close(): Promise<void> {
    this.#child.stdin?.end()
    await once(this.#child, 'exit')
  }
}
