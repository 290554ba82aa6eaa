import { Worker } from 'node:worker_threads'
import { LedgerError } from '../ledger-error.ts'

export interface SqliteThreadOptions {
  readonly path: string
  readonly writes: boolean
  /** Of the words when it fails: what cannot be done. */
  readonly problem: string
}

/**
 * A query, or a statement that is run for each of `rows` in one transaction. Those are JSON, a list of lists of values: it
 * takes a third of the time that a clone of the same takes.
 */
export type ThreadTask =
  | { readonly text: string; readonly values: readonly (string | number)[] }
  | { readonly text: string; readonly rows: string }

interface Done {
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** Rows written. */
  readonly changes: number
}

export type ThreadAnswer = Done | { readonly problem: string }

interface Waiting {
  readonly resolve: (done: Done) => void
  readonly reject: (error: LedgerError) => void
}

/** More than this is refused: a query may take a second. */
const maxWaiting = 32

/**
 * A SQLite file away from the event loop: a query of a month of records takes longer than any request may be held up for,
 * and now and then a write has to wait for the disk. One task after the other; the thread starts with the first one.
 */
export class SqliteThread {
  readonly #options: SqliteThreadOptions
  #worker: Worker | undefined
  #waiting: Waiting[] = []

  constructor(options: SqliteThreadOptions) {
    this.#options = options
  }

  /** @throws LedgerError */
  ask(task: ThreadTask): Promise<Done> {
    if (this.#waiting.length >= maxWaiting) {
      return Promise.reject(this.#failure('too much is asked at once'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#worker ??= this.#start()
      this.#worker.ref()
      this.#worker.postMessage(task, [])
    })
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(workerUrl(), { workerData: this.#options, execArgv: [], env: {} })
    worker.on('message', (answer: ThreadAnswer) => {
      const asked = this.#waiting.shift()
      if (this.#waiting.length === 0) {
        worker.unref()
      }
      if ('rows' in answer) {
        asked?.resolve(answer)
      } else {
        asked?.reject(this.#failure(answer.problem))
      }
    })
    // An error ends it; the next task starts another one.
    worker.on('error', (error: Error) => this.#ended(worker, error.message))
    worker.on('exit', () => this.#ended(worker, 'it was closed'))
    return worker
  }

  /** An error is followed by an exit, when another one may run already. */
  #ended(worker: Worker, reason: string): void {
    if (this.#worker !== worker) {
      return
    }
    this.#worker = undefined
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) {
      reject(this.#failure(reason))
    }
  }

  #failure(reason: string): LedgerError {
    return new LedgerError('Unavailable', `${this.#options.problem}: ${reason}`)
  }
}

/** The same ending as this file's: TypeScript in a checkout, JavaScript in a build. */
function workerUrl(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./sqlite-worker.${extension}`, import.meta.url)
}
