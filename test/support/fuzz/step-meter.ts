import { createHook } from 'node:async_hooks'
import { PerformanceObserver } from 'node:perf_hooks'
import process from 'node:process'

export interface LongStep {
  /** CPU of this thread, milliseconds. */
  readonly cpuMs: number
  /** What of it was garbage collection at most: its wall time within this turn. */
  readonly gcMs: number
}

interface Turn {
  readonly cpuMs: number
  readonly startedAt: number
  readonly endedAt: number
}

const kept = 50

/**
 * How much CPU one turn of the event loop takes on this thread: from the first callback to the end of the turn, so never
 * less than any single step in it. Wall time would count what others do on the machine.
 */
export class StepMeter {
  #turns: Turn[] = []
  #collections: { readonly at: number; readonly ms: number }[] = []
  #open = false
  #count = 0

  start(): void {
    createHook({ before: () => this.#begin(), trackPromises: false }).enable()
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) {
        this.#collections.push({ at: startTime, ms: duration })
      }
      this.#collections = this.#collections.slice(-5000)
    }).observe({ entryTypes: ['gc'] })
  }

  reset(): void {
    this.#turns = []
    this.#count = 0
  }

  get turns(): number {
    return this.#count
  }

  /** The longest ones, the longest first. */
  longest(): readonly LongStep[] {
    return this.#turns.map(({ cpuMs, startedAt, endedAt }) => ({
      cpuMs: round(cpuMs),
      gcMs: round(
        this.#collections
          .filter(({ at }) => at >= startedAt && at <= endedAt)
          .reduce((sum, { ms }) => sum + ms, 0),
      ),
    }))
  }

  #begin(): void {
    if (this.#open) {
      return
    }
    this.#open = true
    const startedAt = performance.now()
    const cpuAt = threadCpuMs()
    // Runs when everything that this turn found ready has had its callback.
    setImmediate(() => {
      this.#note({ cpuMs: threadCpuMs() - cpuAt, startedAt, endedAt: performance.now() })
      this.#open = false
    })
  }

  #note(turn: Turn): void {
    this.#count += 1
    if (this.#turns.length < kept || turn.cpuMs > (this.#turns.at(-1)?.cpuMs ?? 0)) {
      this.#turns = [...this.#turns, turn]
        .sort((one, other) => other.cpuMs - one.cpuMs)
        .slice(0, kept)
    }
  }
}

/** Linux brings a thread's own time up to date when the process is asked for its own, and else at every tick only. */
export function threadCpuMs(): number {
  process.cpuUsage()
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100
}
