import { CircuitBreaker, type CircuitBreakerOptions } from './circuit-breaker.ts'
import { systemClock, type Clock } from './clock.ts'
import { silentKubeLogger, type KubeLogger } from './kube-logger.ts'
import type { ReconcileOutcome } from './reconcile-outcome.ts'
import type { WorkQueue } from './work-queue.ts'

export interface ReconcilerOptions {
  /** In logs: `ModelPool`. */
  readonly name: string
  readonly queue: WorkQueue
  /** Level-triggered: looks at the world, not at what happened. The signal aborts at the time limit and at `close`. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileOutcome>
  readonly workers?: number
  readonly timeLimitMs?: number
  readonly breaker?: Omit<CircuitBreakerOptions, 'now'>
  /** The key was reconciled too often and rests: a condition, an event, a metric. */
  readonly onPaused?: (key: string, pausedMs: number) => void
  readonly onOutcome?: (key: string, outcome: ReconcileOutcome['outcome'], tookMs: number) => void
  readonly logger?: KubeLogger
  readonly clock?: Clock
}

const defaultTimeLimitMs = 120_000
const sweepEvery = 1000

/** N workers on one queue. */
export class Reconciler {
  readonly #options: ReconcilerOptions
  readonly #clock: Clock
  readonly #logger: KubeLogger
  readonly #breaker: CircuitBreaker
  readonly #end = new AbortController()
  #workers: Promise<unknown> = Promise.resolve()
  #count = 0

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentKubeLogger
    this.#breaker = new CircuitBreaker({ ...options.breaker, now: () => this.#clock.now() })
  }

  start(): void {
    const count = this.#options.workers ?? 1
    this.#workers = Promise.all(Array.from({ length: count }, () => this.#work()))
  }

  /** Aborts what runs and waits for it; the queue stays as it is. */
  async close(): Promise<void> {
    this.#end.abort()
    await this.#workers
  }

  async #work(): Promise<void> {
    const { queue } = this.#options
    for (;;) {
      const key = await queue.next(this.#end.signal)
      if (key === undefined) {
        return
      }
      try {
        await this.#handle(key)
      } finally {
        queue.done(key)
      }
    }
  }

  async #handle(key: string): Promise<void> {
    const { queue, onPaused } = this.#options
    this.#count += 1
    if (this.#count % sweepEvery === 0) {
      this.#breaker.sweep()
    }
    const isOpening = this.#breaker.pausedMs(key) === 0 && this.#breaker.count(key)
    const pausedMs = this.#breaker.pausedMs(key)
    if (pausedMs > 0) {
      queue.addAfter(key, pausedMs, 'Low')
      if (isOpening) {
        this.#logger.warn({ ...this.#fields(key), pausedMs }, 'reconciled too often, paused')
        onPaused?.(key, pausedMs)
      }
      return
    }
    const sinceMs = this.#clock.now()
    const outcome = await this.#reconcile(key)
    this.#options.onOutcome?.(key, outcome.outcome, this.#clock.now() - sinceMs)
    this.#settle(key, outcome)
  }

  async #reconcile(key: string): Promise<ReconcileOutcome> {
    const limit = new AbortController()
    const timer = this.#clock.after(this.#options.timeLimitMs ?? defaultTimeLimitMs, () => {
      limit.abort()
    })
    try {
      const signal = AbortSignal.any([this.#end.signal, limit.signal])
      return await this.#options.reconcile(key, signal)
    } catch (error) {
      return { outcome: 'Failed', error }
    } finally {
      timer.cancel()
    }
  }

  #settle(key: string, outcome: ReconcileOutcome): void {
    const { queue } = this.#options
    switch (outcome.outcome) {
      case 'Done':
        queue.forget(key)
        return
      case 'RequeueAfter':
        queue.forget(key)
        queue.addAfter(key, outcome.delayMs)
        return
      case 'Stalled':
        queue.forget(key)
        this.#logger.info({ ...this.#fields(key), reason: outcome.reason }, 'stalled')
        return
      case 'Failed':
        if (!this.#end.signal.aborted) {
          const failures = queue.failures(key) + 1
          this.#logger.warn(
            { ...this.#fields(key), err: outcome.error, failures },
            'reconcile failed',
          )
        }
        queue.retry(key)
        return
      default:
        outcome satisfies never
    }
  }

  #fields(key: string): object {
    return { reconciler: this.#options.name, key }
  }
}
