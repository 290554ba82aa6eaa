import { Worker } from 'node:worker_threads'
import { LedgerError } from '../ledger-error.ts'

export interface QueryMessage {
  readonly text: string
  readonly values: readonly (string | number)[]
}

type Row = Readonly<Record<string, unknown>>
export type QueryAnswer = { readonly rows: readonly Row[] } | { readonly problem: string }

interface Waiting {
  readonly resolve: (rows: readonly Row[]) => void
  readonly reject: (error: LedgerError) => void
}

/** More than this is refused: a query may take a second. */
const maxWaiting = 32

/**
 * Queries of a SQLite file away from the event loop: a month of records takes longer than any request may be held up for.
 * One after the other; the thread starts with the first one.
 */
export class QueryThread {
  readonly #path: string
  #worker: Worker | undefined
  #waiting: Waiting[] = []

  constructor(path: string) {
    this.#path = path
  }

  /** @throws LedgerError */
  ask(message: QueryMessage): Promise<readonly Row[]> {
    if (this.#waiting.length >= maxWaiting) {
      return Promise.reject(new LedgerError('Unavailable', 'Too many queries of usage at once.'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#worker ??= this.#start()
      this.#worker.ref()
      this.#worker.postMessage(message, [])
    })
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(workerUrl(), { workerData: this.#path, execArgv: [], env: {} })
    worker.on('message', (answer: QueryAnswer) => {
      const asked = this.#waiting.shift()
      if (this.#waiting.length === 0) {
        worker.unref()
      }
      if ('rows' in answer) {
        asked?.resolve(answer.rows)
      } else {
        asked?.reject(failure(answer.problem))
      }
    })
    // An error ends it; the next query starts another one.
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
      reject(failure(reason))
    }
  }
}

function failure(reason: string): LedgerError {
  return new LedgerError('Unavailable', `Usage records cannot be read: ${reason}`)
}

/** The same ending as this file's: TypeScript in a checkout, JavaScript in a build. */
function workerUrl(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./query-worker.${extension}`, import.meta.url)
}
