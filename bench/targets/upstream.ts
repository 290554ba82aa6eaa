import { join } from 'node:path'
import process from 'node:process'
import { request } from 'undici'
import { Child, TargetUnavailable } from '../process.ts'
import { upstreamModel } from '../upstream.ts'
import type { Target } from './target.ts'

/** The bench upstream as a process; itself a target, for what a request costs without anything between. */
export class Upstream implements Target {
  readonly name = 'direct'
  readonly headers = {}
  readonly model = upstreamModel
  readonly url: string
  readonly #child: Child

  private constructor(child: Child, port: number) {
    this.#child = child
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(): Promise<Upstream> {
    const script = join(import.meta.dirname, '../upstream.ts')
    const child = new Child('the bench upstream', 'Load', process.execPath, [script])
    const { port } = JSON.parse(await child.firstLine(10_000)) as { port: number }
    return new Upstream(child, port)
  }

  get pid(): number {
    return this.#child.pid
  }

  /** Milliseconds between two chunks of a stream; 0 sends a stream in one piece. */
  async setTickMs(tickMs: number): Promise<void> {
    const { statusCode, body } = await request(`${this.url}/bench/settings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ tickMs }),
    })
    await body.dump()
    if (statusCode !== 200) {
      throw new TargetUnavailable(
        `the bench upstream answered ${statusCode}: ${this.#child.output}`,
      )
    }
  }

  stop(): Promise<void> {
    return this.#child.stop()
  }
}
