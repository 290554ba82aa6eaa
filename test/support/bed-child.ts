import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { BedAnswer, BedOrder } from './live-orders.ts'

/** A process of a bed that does what it is told, one answer an order. */
export class BedChild implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: BedAnswer) => void>()
  #orders = 0

  constructor(script: string, options: object) {
    this.#child = fork(script, [JSON.stringify(options)])
    this.#child.on('message', ({ id, answer }: { id: number; answer: BedAnswer }) => {
      this.#waiting.get(id)?.(answer)
      this.#waiting.delete(id)
    })
  }

  async ask(order: BedOrder): Promise<BedAnswer> {
    this.#orders += 1
    const id = this.#orders
    const ended = new AbortController()
    const answered = new Promise<BedAnswer>((resolve) => this.#waiting.set(id, resolve))
    const died = once(this.#child, 'exit', { signal: ended.signal }).then(() => {
      throw new Error(`a process of the bed ended at ${order.kind}`)
    })
    this.#child.send({ id, order })
    try {
      return await Promise.race([answered, died])
    } finally {
      ended.abort()
      died.catch(() => undefined)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exited = once(this.#child, 'exit')
      this.#child.kill('SIGKILL')
      await exited
    }
  }
}
