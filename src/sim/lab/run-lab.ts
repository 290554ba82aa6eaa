import type { ModelAdapter, ModelOptions } from '../model-types.ts'
import { LabReplica } from './lab-replica.ts'
import { LabRequest } from './lab-request.ts'
import type { RoutePolicy, RouteView } from './policy.ts'
import { createRandom } from './random.ts'
import type { RequestQueue } from './request-queue.ts'
import type { Tape } from './tape.ts'
import { WaitingLines } from './waiting-lines.ts'

export interface LabOptions {
  readonly tape: Tape
  readonly policy: RoutePolicy
  /** Who is next of those that wait; a line for each adapter where it is absent. */
  readonly queue?: RequestQueue
  readonly replicas: number
  readonly engine: ModelOptions
  readonly seed: number
  /** Between two plans of where adapters belong. */
  readonly planEveryMs?: number
  /** After the last arrival the lab goes on for so long. */
  readonly afterMs?: number
}

/** What one run showed. */
export interface LabRun {
  readonly policy: string
  readonly requests: readonly LabRequest[]
  /** Reads of adapters from disk, over all replicas, after the start. */
  readonly diskReads: number
  readonly endMs: number
  /** Distinct adapters in flight on a replica, mean over replicas and seconds. */
  readonly meanActive: number
}

/** Plays a tape against a fleet in virtual time: the same tape, seed and policy give the same run. */
export function runLab(options: LabOptions): LabRun {
  return new Lab(options).run()
}

class Lab {
  readonly #options: LabOptions
  readonly #replicas: LabReplica[] = []
  readonly #requests: LabRequest[]
  readonly #adapters: readonly ModelAdapter[]
  readonly #waiting: RequestQueue
  readonly #view: { nowMs: number } & RouteView
  #hasChanged = false
  #active = 0
  #samples = 0

  constructor(options: LabOptions) {
    this.#options = options
    const queue: RequestQueue = options.queue ?? new WaitingLines()
    this.#waiting = queue
    const adapters = new Map<string, ModelAdapter>()
    for (const { adapter } of options.tape) {
      if (adapter !== '' && !adapters.has(adapter)) {
        adapters.set(adapter, { id: adapters.size + 1, name: adapter, path: '' })
      }
    }
    this.#adapters = [...adapters.values()]
    const expected = meanOutputOf(options.tape)
    this.#requests = options.tape.map(
      (entry) => new LabRequest(entry, adapters.get(entry.adapter), expected, entry.blocks),
    )
    const changed = (): void => {
      this.#hasChanged = true
    }
    const listener = {
      firstToken: changed,
      token: queue.token?.bind(queue),
      ended: (request: LabRequest, nowMs: number): void => {
        queue.ended?.(request, nowMs)
        changed()
      },
      loaded: changed,
    }
    for (let index = 0; index < options.replicas; index += 1) {
      this.#replicas.push(new LabReplica(index, options.engine, 0, listener))
    }
    this.#view = { nowMs: 0, replicas: this.#replicas, random: createRandom(options.seed) }
  }

  run(): LabRun {
    this.#warmUp()
    const { planEveryMs = 5000, afterMs = 120_000 } = this.#options
    let next = 0
    let planMs = 0
    let sampleMs = 1000
    const endMs = (this.#requests.at(-1)?.arrivedMs ?? 0) + afterMs
    for (;;) {
      const arrivalMs = this.#requests[next]?.arrivedMs ?? Infinity
      const nowMs = Math.min(arrivalMs, this.#nextEngineMs(), planMs, sampleMs)
      if (nowMs > endMs) {
        break
      }
      this.#view.nowMs = nowMs
      if (nowMs === planMs) {
        this.#options.policy.plan?.(this.#view)
        planMs += planEveryMs
        this.#hasChanged = true
      } else if (nowMs === sampleMs) {
        this.#sample()
        sampleMs += 1000
      } else if (nowMs === arrivalMs) {
        this.#arrive(this.#requests[next])
        next += 1
      } else {
        this.#advance(nowMs)
      }
      if (this.#hasChanged && this.#waiting.length > 0) {
        this.#waiting.offer((request) => this.#place(request), nowMs)
      }
      this.#hasChanged = false
    }
    return {
      policy: this.#options.policy.name,
      requests: this.#requests,
      diskReads: this.#replicas.reduce((sum, { diskReads }) => sum + diskReads, 0),
      endMs,
      meanActive: this.#active / Math.max(1, this.#samples),
    }
  }

  /** Host memory of a fleet that has run for a while is full of adapters. */
  #warmUp(): void {
    for (const replica of this.#replicas) {
      for (const adapter of this.#adapters.slice(0, this.#options.engine.maxCpuLoras)) {
        replica.model.preload(adapter)
      }
    }
  }

  #nextEngineMs(): number {
    let least = Infinity
    for (const { model } of this.#replicas) {
      const next = model.nextEventMs()
      if (next !== undefined && next < least) {
        least = next
      }
    }
    return least
  }

  #advance(nowMs: number): void {
    for (const { model } of this.#replicas) {
      const next = model.nextEventMs()
      if (next !== undefined && next <= nowMs) {
        model.advance(nowMs)
      }
    }
  }

  #arrive(request: LabRequest | undefined): void {
    if (request !== undefined) {
      this.#waiting.arrive(request, (one) => this.#place(one), this.#view.nowMs)
    }
  }

  #place(request: LabRequest): boolean {
    const decided = this.#options.policy.route(request, this.#view)
    switch (decided.choice) {
      case 'Send':
        decided.to.submit(request, this.#view.nowMs)
        return true
      case 'Load':
        if (request.adapter !== undefined) {
          decided.to.order(request.adapter, this.#view.nowMs)
        }
        return false
      case 'Wait':
        return false
      default:
        return decided satisfies never
    }
  }

  #sample(): void {
    for (const { slotsUsed } of this.#replicas) {
      this.#active += slotsUsed
      this.#samples += 1
    }
  }
}

function meanOutputOf(tape: Tape): number {
  const sum = tape.reduce((total, { outputTokens }) => total + outputTokens, 0)
  return Math.round(sum / Math.max(1, tape.length))
}
