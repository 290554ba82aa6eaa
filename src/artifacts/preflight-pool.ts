import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { problem } from './problems.ts'
import type { ProblemReason } from './problems.ts'
import type { PreflightJob } from './preflight-worker.ts'
import type { PreflightOptions, PreflightVerdict } from './types.ts'

export interface PreflightPoolOptions {
  /** Worker threads, started on need. Default: one less than the cores, at least one. */
  readonly workers?: number
  /** Jobs that may wait for a worker. */
  readonly maxQueued?: number
  /** For one job once it has a worker. */
  readonly timeoutMs?: number
}

interface QueuedJob extends PreflightJob {
  readonly settle: (verdict: PreflightVerdict) => void
  /** Ends the worker that has the job; undefined while it waits. */
  stop: (() => void) | undefined
}

/** Heap of a worker. A header of 16 MiB with 80,000 tensors takes about 150 MB; buffers do not count. */
const maxHeapMb = 512

/** Runs preflights in a bounded number of worker threads; hostile input costs a worker, never this process. */
export class PreflightPool {
  readonly #maxWorkers: number
  readonly #maxQueued: number
  readonly #timeoutMs: number
  readonly #queue: QueuedJob[] = []
  readonly #idle: Worker[] = []
  readonly #running = new Map<Worker, (verdict: PreflightVerdict) => void>()
  #closed = false

  constructor(options: PreflightPoolOptions = {}) {
    this.#maxWorkers = options.workers ?? Math.max(1, availableParallelism() - 1)
    this.#maxQueued = options.maxQueued ?? 256
    this.#timeoutMs = options.timeoutMs ?? 120_000
  }

  /**
   * The verdict on the adapter in `path` (absolute). Never rejects for anything the adapter, the disk or a worker does:
   * that is `Refused` or `Failed`. Rejects with the signal's reason when it aborts; a worker busy with that job is ended.
   */
  run(path: string, options: PreflightOptions, signal?: AbortSignal): Promise<PreflightVerdict> {
    if (signal?.aborted === true) {
      return Promise.reject(signal.reason as Error)
    }
    if (this.#closed) {
      return Promise.resolve(failed('PreflightFailed', 'The adapter checks are shutting down.'))
    }
    if (this.#queue.length >= this.#maxQueued) {
      return Promise.resolve(
        failed('PreflightBusy', 'Too many adapters wait to be checked. The check is tried again.'),
      )
    }
    return new Promise((resolve, reject) => {
      const job: QueuedJob = {
        path,
        options,
        stop: undefined,
        settle: (verdict) => {
          signal?.removeEventListener('abort', onAbort)
          resolve(verdict)
        },
      }
      const onAbort = (): void => {
        reject(signal?.reason as Error)
        this.#abandon(job)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#queue.push(job)
      this.#dispatch()
    })
  }

  /** Ends all workers; jobs that wait or run settle as `Failed`. */
  async close(): Promise<void> {
    this.#closed = true
    const gone = failed('PreflightFailed', 'The adapter checks are shutting down.')
    for (const job of this.#queue.splice(0)) {
      job.settle(gone)
    }
    const workers = [...this.#idle.splice(0), ...this.#running.keys()]
    for (const finish of this.#running.values()) {
      finish(gone)
    }
    await Promise.all(workers.map((worker) => worker.terminate()))
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && !this.#closed) {
      const worker = this.#idle.pop() ?? this.#startWorker()
      const job = worker === undefined ? undefined : this.#queue.shift()
      if (worker === undefined || job === undefined) {
        return
      }
      this.#assign(worker, job)
    }
  }

  #startWorker(): Worker | undefined {
    if (this.#running.size >= this.#maxWorkers) {
      return undefined
    }
    const worker = new Worker(workerUrl(), {
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
    })
    // Without a listener an error of an idle or ending worker would end this process.
    worker.on('error', () => undefined)
    worker.on('exit', () => {
      const index = this.#idle.indexOf(worker)
      if (index >= 0) {
        this.#idle.splice(index, 1)
      }
    })
    return worker
  }

  #assign(worker: Worker, job: QueuedJob): void {
    worker.ref()
    const timer = setTimeout(() => {
      const seconds = this.#timeoutMs / 1000
      finish(failed('PreflightTimeout', `The check took longer than ${seconds} s and was stopped.`))
    }, this.#timeoutMs)
    const onMessage = (verdict: PreflightVerdict): void => {
      release()
      worker.unref()
      this.#idle.push(worker)
      job.settle(verdict)
      this.#dispatch()
    }
    const onGone = (): void =>
      finish(
        failed(
          'PreflightFailed',
          'The check itself ended before its verdict; the files may be hostile.',
        ),
      )
    const release = (): void => {
      clearTimeout(timer)
      worker.off('message', onMessage).off('error', onGone).off('exit', onGone)
      this.#running.delete(worker)
    }
    /** Settles without a verdict of the worker's own, which is not to be trusted with another job. */
    const finish = (verdict: PreflightVerdict): void => {
      release()
      void worker.terminate()
      job.settle(verdict)
      this.#dispatch()
    }
    this.#running.set(worker, finish)
    worker.on('message', onMessage).on('error', onGone).on('exit', onGone)
    worker.postMessage({ path: job.path, options: job.options } satisfies PreflightJob, [])
    job.stop = () => finish(failed('PreflightFailed', 'The check was stopped.'))
  }

  #abandon(job: QueuedJob): void {
    const queued = this.#queue.indexOf(job)
    if (queued >= 0) {
      this.#queue.splice(queued, 1)
    }
    job.stop?.()
  }
}

/** Both from the checkout, with Node's type stripping, and compiled. */
function workerUrl(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./preflight-worker.${extension}`, import.meta.url)
}

function failed(reason: ProblemReason, message: string): PreflightVerdict {
  return { verdict: 'Failed', problem: problem(reason, message) }
}
