import { systemClock, type Clock, type Timer } from './clock.ts'
import { DelayHeap } from './delay-heap.ts'

/** Resyncs are low: they never stand in the way of a change. */
export type WorkPriority = 'High' | 'Low'

export interface WorkQueueOptions {
  readonly clock?: Clock
  /** After the first failure of a key; doubles with each more. */
  readonly baseBackoffMs?: number
  readonly maxBackoffMs?: number
}

export interface WorkQueueMetrics {
  /** Keys that are due and wait for a worker. */
  readonly depth: number
  readonly delayed: number
  readonly running: number
  /** How long the longest waiting due key has waited. */
  readonly oldestMs: number
  /** Keys put back after a failure, since the start. */
  readonly retries: number
}

interface Entry {
  /** When it is due. */
  readonly atMs: number
  readonly priority: WorkPriority
}

/**
 * Keys to work on. A key is in it once, at its earliest time and its highest priority; it is never with two workers, and
 * what is added while it is with one comes once more after `done`.
 */
export class WorkQueue {
  readonly #clock: Clock
  readonly #baseBackoffMs: number
  readonly #maxBackoffMs: number
  readonly #entries = new Map<string, Entry>()
  /** Due keys in the order they became due. */
  readonly #due: Readonly<Record<WorkPriority, Set<string>>> = { High: new Set(), Low: new Set() }
  readonly #delays = new DelayHeap()
  readonly #running = new Set<string>()
  /** Added while running. */
  readonly #again = new Map<string, Entry>()
  readonly #failures = new Map<string, number>()
  readonly #takers = new Set<() => void>()
  #timer: { readonly timer: Timer; readonly atMs: number } | undefined
  #retries = 0
  #isClosed = false

  constructor(options: WorkQueueOptions = {}) {
    this.#clock = options.clock ?? systemClock
    this.#baseBackoffMs = options.baseBackoffMs ?? 5
    this.#maxBackoffMs = options.maxBackoffMs ?? 1_000_000
  }

  add(key: string, priority: WorkPriority = 'High'): void {
    this.addAfter(key, 0, priority)
  }

  addAfter(key: string, delayMs: number, priority: WorkPriority = 'High'): void {
    if (this.#isClosed) {
      return
    }
    const entry = { atMs: this.#clock.now() + Math.max(0, delayMs), priority }
    if (this.#running.has(key)) {
      this.#again.set(key, earliest(this.#again.get(key), entry))
      return
    }
    this.#enter(key, entry)
  }

  /** Back after a failure, each time later; `forget` starts that anew. */
  retry(key: string, priority: WorkPriority = 'High'): void {
    const failures = this.#failures.get(key) ?? 0
    this.#failures.set(key, failures + 1)
    this.#retries += 1
    const delayMs = Math.min(this.#maxBackoffMs, this.#baseBackoffMs * 2 ** Math.min(failures, 40))
    this.addAfter(key, delayMs, priority)
  }

  /** Failures of the key since it was last forgotten. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0
  }

  forget(key: string): void {
    this.#failures.delete(key)
  }

  /** A due key, now with the caller until `done`. */
  take(): string | undefined {
    this.#promote()
    const key = first(this.#due.High) ?? first(this.#due.Low)
    if (key === undefined) {
      return undefined
    }
    this.#due.High.delete(key)
    this.#due.Low.delete(key)
    this.#entries.delete(key)
    this.#running.add(key)
    return key
  }

  done(key: string): void {
    this.#running.delete(key)
    const again = this.#again.get(key)
    this.#again.delete(key)
    if (again !== undefined && !this.#isClosed) {
      this.#enter(key, again)
    }
  }

  /** The next due key; undefined once the queue is closed or the signal aborts. */
  async next(signal?: AbortSignal): Promise<string | undefined> {
    for (;;) {
      if (this.#isClosed || signal?.aborted === true) {
        // The key this one was woken for is somebody else's now.
        this.#wake(1)
        return undefined
      }
      const key = this.take()
      if (key !== undefined) {
        return key
      }
      await this.#something(signal)
    }
  }

  get metrics(): WorkQueueMetrics {
    this.#promote()
    const nowMs = this.#clock.now()
    const depth = this.#due.High.size + this.#due.Low.size
    const waits = [first(this.#due.High), first(this.#due.Low)].map((key) =>
      key === undefined ? 0 : nowMs - (this.#entries.get(key)?.atMs ?? nowMs),
    )
    return {
      depth,
      delayed: this.#entries.size - depth,
      running: this.#running.size,
      oldestMs: Math.max(...waits),
      retries: this.#retries,
    }
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.timer.cancel()
    this.#wake(Infinity)
  }

  #enter(key: string, entry: Entry): void {
    const before = this.#entries.get(key)
    const after = earliest(before, entry)
    if (before?.atMs === after.atMs && before.priority === after.priority) {
      return
    }
    this.#entries.set(key, after)
    const isDue = this.#due.High.has(key) || this.#due.Low.has(key)
    if (isDue || after.atMs <= this.#clock.now()) {
      this.#makeDue(key, after)
    } else if (before?.atMs !== after.atMs) {
      this.#delays.push({ key, atMs: after.atMs })
      this.#schedule()
    }
  }

  #makeDue(key: string, { priority }: Entry): void {
    if (priority === 'High') {
      this.#due.Low.delete(key)
    }
    this.#due[priority].add(key)
    this.#wake(1)
  }

  /** What has become due since the last look. */
  #promote(): void {
    const nowMs = this.#clock.now()
    for (
      let top = this.#delays.top;
      top !== undefined && top.atMs <= nowMs;
      top = this.#delays.top
    ) {
      this.#delays.pop()
      const entry = this.#entries.get(top.key)
      // Another time: the key was taken, or came forward, since it was put there.
      if (entry?.atMs === top.atMs) {
        this.#makeDue(top.key, entry)
      }
    }
  }

  #schedule(): void {
    const atMs = this.#delays.top?.atMs
    if (atMs === undefined || this.#isClosed || (this.#timer?.atMs ?? Infinity) <= atMs) {
      return
    }
    this.#timer?.timer.cancel()
    const timer = this.#clock.after(atMs - this.#clock.now(), () => {
      this.#timer = undefined
      this.#promote()
      this.#schedule()
    })
    this.#timer = { timer, atMs }
  }

  #something(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#takers.delete(wake)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      this.#takers.add(wake)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  #wake(count: number): void {
    let left = count
    for (const wake of this.#takers) {
      if (left <= 0) {
        return
      }
      left -= 1
      wake()
    }
  }
}

function earliest(a: Entry | undefined, b: Entry): Entry {
  if (a === undefined) {
    return b
  }
  const priority = a.priority === 'High' || b.priority === 'High' ? 'High' : 'Low'
  return { atMs: Math.min(a.atMs, b.atMs), priority }
}

function first(keys: ReadonlySet<string>): string | undefined {
  for (const key of keys) {
    return key
  }
  return undefined
}
