import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { GatewayReport } from './gateway-process.ts'

/** The gateway under test, in a process of its own. */
export class FuzzedGateway {
  readonly port: number
  readonly #child: ChildProcess
  #ended: string | undefined

  static async start(
    engineUrl: string,
    arrival: object = {},
    maxStrangers = 4096,
  ): Promise<FuzzedGateway> {
    const child = fork(
      join(import.meta.dirname, 'gateway-process.ts'),
      [engineUrl, JSON.stringify(arrival), String(maxStrangers)],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    )
    const [said] = (await once(child, 'message')) as [{ readonly port: number }]
    return new FuzzedGateway(child, said.port)
  }

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
    child.once('exit', (code, signal) => {
      this.#ended = `the gateway's process ended: ${String(code ?? signal)}`
    })
  }

  /** Why it is not there any more. */
  get ended(): string | undefined {
    return this.#ended
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** From now on each turn of its event loop is measured, which costs some CPU itself. */
  measure(): void {
    this.#child.send('meter')
  }

  /** Forgets the turns so far. */
  reset(): void {
    this.#child.send('reset')
  }

  async report(): Promise<GatewayReport> {
    this.#child.send('report')
    const [report] = (await once(this.#child, 'message')) as [GatewayReport]
    return report
  }

  async end(): Promise<void> {
    if (this.#ended === undefined) {
      this.#child.send('end')
      await once(this.#child, 'exit')
    }
  }
}
