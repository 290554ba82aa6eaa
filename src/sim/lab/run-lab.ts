import type { ModelAdapter, ModelOptions } from '../model-types.ts'
import { Fleet } from './fleet.ts'
import type { LabObserver } from './lab-observer.ts'
import { LabRequest } from './lab-request.ts'
import type { RoutePolicy, RouteView } from './policy.ts'
import { createRandom } from './random.ts'
import type { RequestQueue } from './request-queue.ts'
import { ScaleClock, type ScaleMoment, type ScalingOptions } from './scale-clock.ts'
import type { Tape } from './tape.ts'
import { WaitingLines } from './waiting-lines.ts'

export interface LabOptions {
  readonly tape: Tape
  readonly policy: RoutePolicy
  /** Who is next of those that wait; a line for each adapter where it is absent. */
  readonly queue?: RequestQueue
  /** From the start; with `scaling` the rule's from then on. */
  readonly replicas: number
  readonly engine: ModelOptions
  readonly seed: number
  /** Between two plans of where adapters belong. */
  readonly planEveryMs?: number
  /** After the last arrival the lab goes on for so long. */
  readonly afterMs?: number
  readonly observer?: LabObserver
  readonly scaling?: ScalingOptions
  /** Moments at which the oldest engine dies. */
  readonly failuresMs?: readonly number[]
  /** The gateway sends a replica no more than so many requests at once; default: all it has. */
  readonly maxInFlight?: number
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
  /** Milliseconds of GPUs from order to end, until the last arrival. */
  readonly gpuMs: number
  /** Every decision of the scaling rule. */
  readonly scaling: readonly ScaleMoment[]
}

/** Plays a tape against a fleet in virtual time: the same tape, seed and policies give the same run. */
export function runLab(options: LabOptions): LabRun {
  return new Lab(options).run()
}

class Lab {
  readonly #options: LabOptions
  readonly #fleet: Fleet
  readonly #adapters: readonly ModelAdapter[]
  readonly #requests: LabRequest[]
  readonly #waiting: RequestQueue
  readonly #view: { nowMs: number; replicas: RouteView['replicas'] } & RouteView
  readonly #scale: ScaleClock | undefined
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
    const { engine, scaling } = options
    const coldStartMs = scaling?.coldStartMs ?? 0
    this.#fleet = new Fleet(
      { engine, coldStartMs, adapters: this.#adapters },
      {
        changed: () => {
          this.#hasChanged = true
        },
        token: queue.token?.bind(queue),
        ended: (request, nowMs) => {
          queue.ended?.(request, nowMs)
          this.#scale?.ended(request)
        },
      },
    )
    this.#scale =
      scaling === undefined ? undefined : new ScaleClock(scaling, this.#fleet, this.#waiting)
    this.#view = { nowMs: 0, replicas: [], random: createRandom(options.seed) }
  }

  run(): LabRun {
    const { planEveryMs = 5000, afterMs = 120_000, failuresMs = [], policy } = this.#options
    this.#fleet.begin(this.#options.replicas, policy.begin !== undefined)
    this.#view.replicas = this.#fleet.serving
    policy.begin?.(this.#adapters, this.#view)
    const lastMs = this.#requests.at(-1)?.arrivedMs ?? 0
    const endMs = lastMs + afterMs
    let [next, failed, planMs, sampleMs] = [0, 0, 0, 1000]
    for (;;) {
      const arrivalMs = this.#requests[next]?.arrivedMs ?? Infinity
      const failureMs = failuresMs[failed] ?? Infinity
      const scaleMs = this.#scale?.nextMs ?? Infinity
      const nowMs = Math.min(arrivalMs, this.#fleet.nextMs(), planMs, sampleMs, scaleMs, failureMs)
      if (nowMs > endMs) {
        break
      }
      this.#view.nowMs = nowMs
      this.#view.replicas = this.#fleet.serving
      if (nowMs === planMs) {
        policy.plan?.(this.#view)
        planMs += planEveryMs
        this.#hasChanged = true
      } else if (nowMs === sampleMs) {
        this.#sample()
        sampleMs += 1000
      } else if (nowMs === scaleMs) {
        this.#scale?.turn(nowMs)
      } else if (nowMs === failureMs) {
        this.#fail(nowMs)
        failed += 1
      } else if (nowMs === arrivalMs) {
        this.#arrive(this.#requests[next])
        next += 1
      } else {
        this.#fleet.advance(nowMs)
      }
      if (this.#hasChanged && this.#waiting.length > 0) {
        this.#waiting.offer((request) => this.#place(request), nowMs)
      }
      this.#hasChanged = false
    }
    return {
      policy: policy.name,
      requests: this.#requests,
      diskReads: this.#fleet.diskReads,
      endMs,
      meanActive: this.#active / Math.max(1, this.#samples),
      gpuMs: this.#fleet.gpuMs(lastMs),
      scaling: this.#scale?.moments ?? [],
    }
  }

  #fail(nowMs: number): void {
    for (const request of this.#fleet.fail(nowMs)) {
      this.#waiting.arrive(request, (one) => this.#place(one), nowMs)
    }
    this.#hasChanged = true
  }

  #arrive(request: LabRequest | undefined): void {
    if (request !== undefined) {
      this.#scale?.arrived(request)
      this.#waiting.arrive(request, (one) => this.#place(one), this.#view.nowMs)
    }
  }

  #place(request: LabRequest): boolean {
    const { maxInFlight } = this.#options
    const { nowMs } = this.#view
    const { serving } = this.#fleet
    this.#view.replicas =
      maxInFlight === undefined ? serving : serving.filter(({ inFlight }) => inFlight < maxInFlight)
    if (this.#view.replicas.length === 0) {
      return false
    }
    const decided = this.#options.policy.route(request, this.#view)
    switch (decided.choice) {
      case 'Send':
        decided.to.submit(request, nowMs)
        return true
      case 'Load':
        if (request.adapter !== undefined) {
          decided.to.order(request.adapter, nowMs)
        }
        return false
      case 'Wait':
        return false
      default:
        return decided satisfies never
    }
  }

  #sample(): void {
    for (const { slotsUsed } of this.#fleet.serving) {
      this.#active += slotsUsed
      this.#samples += 1
    }
    this.#options.observer?.observe(this.#view.nowMs, this.#fleet.serving, this.#waiting.length)
  }
}

function meanOutputOf(tape: Tape): number {
  const sum = tape.reduce((total, { outputTokens }) => total + outputTokens, 0)
  return Math.round(sum / Math.max(1, tape.length))
}
