// kube-apiserver of a test, ended as by SIGKILL and started again on the same port and etcd.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import type { ApiServer } from './api-server.ts'
import { serverPids } from './process-usage.ts'

export class ApiServerOutage implements AsyncDisposable {
  readonly #api: ApiServer
  readonly #command: readonly string[]
  readonly #folder: string
  #revived: ChildProcess | undefined

  /** Resolves when nobody answers on its port any more. */
  static async begin(api: ApiServer): Promise<ApiServerOutage> {
    const { port } = new URL(api.url)
    const found = serverPids().find((pid) => commandOf(pid).includes(`--secure-port=${port}`))
    if (found === undefined) {
      throw new Error(`no child of this process serves port ${port}`)
    }
    const outage = new ApiServerOutage(api, commandOf(found), readlinkSync(`/proc/${found}/cwd`))
    process.kill(found, 'SIGKILL')
    while (await outage.#answers()) {
      await delay(20)
    }
    return outage
  }

  private constructor(api: ApiServer, command: readonly string[], folder: string) {
    this.#api = api
    this.#command = command
    this.#folder = folder
  }

  /** Resolves when it answers again. */
  async end(): Promise<void> {
    const [program = '', ...rest] = this.#command
    this.#revived = spawn(program, rest, { cwd: this.#folder, stdio: 'ignore' })
    while (!(await this.#answers())) {
      await delay(50)
    }
  }

  /** Before its etcd ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#revived
    if (child?.exitCode === null) {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
  }

  /** A list of ours: it has read etcd and knows our kinds. */
  async #answers(): Promise<boolean> {
    const path = '/apis/loraplex.dev/v1alpha1/modeltenants'
    return await this.#api.ask('GET', path).then(
      ({ status }) => status === 200,
      () => false,
    )
  }
}

function commandOf(pid: number): readonly string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
}
