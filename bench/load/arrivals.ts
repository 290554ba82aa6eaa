import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { Caller, type CallerOptions } from './caller.ts'
import { Recorder } from './recorder.ts'

/** Connections opened at once: more overrun the listener's backlog and wait a second for a retransmission. */
const connectBatch = 100
/** Streams that are held begin by and by: what follows is about thousands under way, not about thousands that come at once. */
const beginTogether = 20
const beginEveryMs = 400

export class Callers {
  readonly #options: CallerOptions
  readonly #requests: readonly Buffer[]
  readonly #idle: Caller[] = []
  #nextRequest = 0

  constructor(options: CallerOptions, requests: readonly Buffer[]) {
    this.#options = options
    this.#requests = requests
  }

  async open(count: number): Promise<void> {
    while (this.#idle.length < count) {
      const batch = Array.from(
        { length: Math.min(connectBatch, count - this.#idle.length) },
        () => {
          const caller = new Caller(this.#options)
          return caller.connect().then(() => caller)
        },
      )
      this.#idle.push(...(await Promise.all(batch)))
    }
  }

  close(): void {
    for (const caller of this.#idle) {
      caller.close()
    }
  }

  /** `requests` requests by all callers, each sending its next one when its last is answered. */
  closedLoop(requests: number): Promise<Recorder> {
    const recorder = new Recorder()
    return new Promise((resolve) => {
      let unsent = requests
      const next = (caller: Caller) => {
        if (unsent > 0) {
          unsent--
          caller.send(this.#request(), recorder, () => next(caller))
        } else if (recorder.requests === requests) {
          resolve(recorder)
        }
      }
      for (const caller of this.#idle) {
        next(caller)
      }
    })
  }

  /** `requestsPerSecond` for `seconds`, then until all are answered. */
  openLoop(requestsPerSecond: number, seconds: number): Promise<Recorder> {
    const recorder = new Recorder()
    const total = Math.round(requestsPerSecond * seconds)
    const start = performance.now()
    return new Promise((resolve) => {
      let sent = 0
      const sendOne = () => {
        recorder.lag.record(performance.now() - start - (sent * 1000) / requestsPerSecond)
        sent++
        const caller = this.#idle.pop() ?? new Caller(this.#options)
        caller.send(this.#request(), recorder, () => {
          this.#idle.push(caller)
          if (recorder.requests === total) {
            resolve(recorder)
          }
        })
      }
      const tick = setInterval(() => {
        const due = ((performance.now() - start) * requestsPerSecond) / 1000
        for (let count = Math.min(total, Math.ceil(due)) - sent; count > 0; count--) {
          sendOne()
        }
        if (sent === total) {
          clearInterval(tick)
        }
      }, 1)
    })
  }

  /** All callers for `seconds`; what is under way then is left. */
  async held(connections: number, seconds: number): Promise<Recorder> {
    const recorder = new Recorder()
    let isOver = false
    const next = (caller: Caller) => {
      const errorsBefore = recorder.errors
      const again = () =>
        recorder.errors > errorsBefore ? setTimeout(next, 1_000, caller) : next(caller)
      if (!isOver) {
        caller.send(this.#request(), recorder, again)
      }
    }
    const startedAt = performance.now()
    for (let begun = 1; begun <= connections; begun += 1) {
      // Opened when it is needed: servers close connections on which nothing comes.
      const caller = new Caller(this.#options)
      this.#idle.push(caller)
      next(caller)
      if (begun % beginTogether === 0) {
        await delay(beginEveryMs)
      }
    }
    await delay(seconds * 1000 - (performance.now() - startedAt))
    isOver = true
    return recorder
  }

  #request(): Buffer {
    const request = this.#requests[this.#nextRequest++ % this.#requests.length]
    return request ?? Buffer.alloc(0)
  }
}
