import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Clock } from './clock.ts'
import { WorkQueue, type WorkPriority } from './work-queue.ts'

/** Time that moves when it is told to; timers fire on the way. */
class HandClock implements Clock {
  #nowMs = 0
  #timers: { readonly atMs: number; readonly callback: () => void }[] = []

  now(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void) {
    const timer = { atMs: this.#nowMs + delayMs, callback }
    this.#timers.push(timer)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer)
      },
    }
  }

  advance(ms: number): void {
    this.#nowMs += ms
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs)
    for (const { callback } of due) {
      callback()
    }
  }
}

describe('a work queue', () => {
  it('holds a key once, and gives it to one worker at a time', () => {
    const queue = new WorkQueue({ clock: new HandClock() })
    queue.add('a')
    queue.add('a')
    expect(queue.take()).toBe('a')
    expect(queue.take()).toBeUndefined()
    queue.add('a')
    queue.add('a')
    expect(queue.take()).toBeUndefined()
    queue.done('a')
    expect(queue.take()).toBe('a')
    queue.done('a')
    expect(queue.take()).toBeUndefined()
  })

  it('gives changes before resyncs, and a resync that became a change with them', () => {
    const queue = new WorkQueue({ clock: new HandClock() })
    queue.add('resync-1', 'Low')
    queue.add('resync-2', 'Low')
    queue.add('change')
    queue.add('resync-2')
    expect([queue.take(), queue.take(), queue.take()]).toEqual(['change', 'resync-2', 'resync-1'])
  })

  it('keeps the earliest time of a key', () => {
    const clock = new HandClock()
    const queue = new WorkQueue({ clock })
    queue.addAfter('a', 100)
    queue.addAfter('a', 10)
    queue.addAfter('a', 50)
    clock.advance(9)
    expect(queue.take()).toBeUndefined()
    clock.advance(1)
    expect(queue.take()).toBe('a')
    queue.done('a')
    clock.advance(1_000)
    expect(queue.take()).toBeUndefined()
  })

  it('waits twice as long after each failure, until it is forgotten', () => {
    const clock = new HandClock()
    const queue = new WorkQueue({ clock, baseBackoffMs: 10, maxBackoffMs: 35 })
    const waits = [1, 2, 3, 4].map(() => {
      queue.retry('a')
      for (let ms = 0; ; ms += 1) {
        if (queue.take() !== undefined) {
          queue.done('a')
          return ms
        }
        clock.advance(1)
      }
    })
    expect(waits).toEqual([10, 20, 35, 35])
    expect(queue.metrics.retries).toBe(4)
    queue.forget('a')
    queue.retry('a')
    clock.advance(10)
    expect(queue.take()).toBe('a')
  })

  it('tells its depth and how long keys wait', () => {
    const clock = new HandClock()
    const queue = new WorkQueue({ clock })
    queue.add('a')
    queue.add('b')
    queue.addAfter('c', 1_000)
    clock.advance(40)
    queue.take()
    expect(queue.metrics).toEqual({ depth: 1, delayed: 1, running: 1, oldestMs: 40, retries: 0 })
  })

  it('wakes a worker that waits, when a key is due and when it is closed', async () => {
    const queue = new WorkQueue()
    const next = queue.next()
    queue.addAfter('a', 5)
    expect(await next).toBe('a')
    const stop = new AbortController()
    const [left, stays] = [queue.next(stop.signal), queue.next()]
    stop.abort()
    queue.add('b')
    expect(await left).toBeUndefined()
    expect(await stays).toBe('b')
    const last = queue.next()
    queue.close()
    expect(await last).toBeUndefined()
  })

  it('does what a plain model of it does', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), runBoth), { numRuns: 500 })
  })
})

type Step =
  | {
      readonly do: 'add'
      readonly key: string
      readonly delayMs: number
      readonly priority: WorkPriority
    }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'take' }
  | { readonly do: 'done'; readonly nth: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('add' as const),
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    delayMs: fc.constantFrom(0, 0, 1, 5, 20),
    priority: fc.constantFrom<WorkPriority>('High', 'Low'),
  }),
  fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(1, 4, 30) }),
  fc.record({ do: fc.constant('take' as const) }),
  fc.record({ do: fc.constant('done' as const), nth: fc.nat(3) }),
)

interface Wanted {
  readonly atMs: number
  readonly isHigh: boolean
}

/** Which keys may come next; the order among equals is the queue's own. */
class Model {
  nowMs = 0
  readonly waiting = new Map<string, Wanted>()
  readonly again = new Map<string, Wanted>()
  readonly running: string[] = []

  add(key: string, delayMs: number, isHigh: boolean): void {
    const to = this.running.includes(key) ? this.again : this.waiting
    const before = to.get(key)
    to.set(key, {
      atMs: Math.min(before?.atMs ?? Infinity, this.nowMs + delayMs),
      isHigh: isHigh || before?.isHigh === true,
    })
  }

  choices(): readonly string[] {
    const due = [...this.waiting].filter(([, { atMs }]) => atMs <= this.nowMs)
    const high = due.filter(([, { isHigh }]) => isHigh)
    return (high.length > 0 ? high : due).map(([key]) => key)
  }

  taken(key: string): void {
    this.waiting.delete(key)
    this.running.push(key)
  }

  done(nth: number): string | undefined {
    const [key] = this.running.splice(nth % Math.max(1, this.running.length), 1)
    const again = key === undefined ? undefined : this.again.get(key)
    if (key !== undefined && again !== undefined) {
      this.again.delete(key)
      this.waiting.set(key, again)
    }
    return key
  }
}

function runBoth(steps: readonly Step[]): void {
  const clock = new HandClock()
  const queue = new WorkQueue({ clock })
  const model = new Model()
  for (const each of steps) {
    if (each.do === 'add') {
      queue.addAfter(each.key, each.delayMs, each.priority)
      model.add(each.key, each.delayMs, each.priority === 'High')
    } else if (each.do === 'advance') {
      clock.advance(each.ms)
      model.nowMs += each.ms
    } else if (each.do === 'done') {
      const key = model.done(each.nth)
      if (key !== undefined) {
        queue.done(key)
      }
    } else {
      const key = queue.take()
      const choices = model.choices()
      if (key === undefined) {
        expect(choices).toEqual([])
      } else {
        expect(choices).toContain(key)
        model.taken(key)
      }
    }
    const { depth, delayed, running } = queue.metrics
    expect(depth + delayed).toBe(model.waiting.size)
    expect(running).toBe(model.running.length)
  }
}
