import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { Percentiles } from './job.ts'

const nanosecondsPerMs = 1e6

/** A histogram of milliseconds, kept in nanoseconds. */
export class Times {
  readonly #histogram: RecordableHistogram = createHistogram()

  record(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * nanosecondsPerMs)))
  }

  percentiles(): Percentiles {
    const { count } = this.#histogram
    const at = (percent: number) =>
      count === 0 ? 0 : this.#histogram.percentile(percent) / nanosecondsPerMs
    return { count, p50: at(50), p90: at(90), p99: at(99), max: at(100) }
  }
}

/** What one phase of a run adds up to. A phase that only warms up has a recorder too; it is thrown away. */
export class Recorder {
  readonly latency = new Times()
  readonly firstByte = new Times()
  readonly gap = new Times()
  readonly lag = new Times()
  requests = 0
  errors = 0
  frames = 0
  completionTokens = 0
  firstError: string | undefined
  /** How often each kind occurred: what differs between two of a kind is in its numbers. */
  readonly faults = new Map<string, number>()

  fail(message: string): void {
    this.errors++
    this.firstError ??= message
    const kind = message.replaceAll(/\d+/g, '#').slice(0, 160)
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1)
  }
}
