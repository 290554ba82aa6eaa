import type { Fleet, FleetCounts } from './fleet.ts'
import type { LabRequest } from './lab-request.ts'
import type { ScalePolicy, ScaleView } from './scale-policy.ts'
import type { RequestQueue } from './request-queue.ts'

export interface ScalingOptions {
  readonly policy: ScalePolicy
  /** From order to an engine that answers; adapters are loaded after it. */
  readonly coldStartMs: number
  readonly maxReplicas: number
  /** Default: 0. */
  readonly minReplicas?: number
}

/** One decision. */
export interface ScaleMoment extends FleetCounts {
  readonly atMs: number
  readonly desired: number
  readonly waiting: number
  readonly running: number
}

/** Asks the scaling rule in its turn, and counts what it may look at. */
export class ScaleClock {
  readonly #options: ScalingOptions
  readonly #fleet: Fleet
  readonly #line: RequestQueue
  readonly #moments: ScaleMoment[] = []
  #nextMs = 0
  #wakeMs = Infinity
  #arrivals = 0
  #inputTokens = 0
  #outputTokens = 0

  constructor(options: ScalingOptions, fleet: Fleet, line: RequestQueue) {
    this.#options = options
    this.#fleet = fleet
    this.#line = line
  }

  get nextMs(): number {
    return Math.min(this.#nextMs, this.#wakeMs)
  }

  get moments(): readonly ScaleMoment[] {
    return this.#moments
  }

  arrived({ arrivedMs, promptTokens }: LabRequest): void {
    this.#arrivals += 1
    this.#inputTokens += promptTokens
    const { wakeMs } = this.#options.policy
    if (wakeMs !== undefined && this.#fleet.ordered === 0) {
      this.#wakeMs = Math.min(this.#wakeMs, arrivedMs + wakeMs)
    }
  }

  ended({ outputTokens }: LabRequest): void {
    this.#outputTokens += outputTokens
  }

  turn(nowMs: number): void {
    if (nowMs >= this.#nextMs) {
      this.#nextMs += this.#options.policy.everyMs
    }
    this.#wakeMs = Infinity
    const view = this.#look(nowMs)
    const wanted = this.#options.policy.decide(view)
    const { minReplicas = 0, maxReplicas } = this.#options
    const desired = Math.min(maxReplicas, Math.max(minReplicas, Math.round(wanted)))
    this.#fleet.scaleTo(desired, nowMs)
    const { waiting, running } = view
    this.#moments.push({ atMs: nowMs, desired, waiting, running, ...this.#fleet.counts })
  }

  #look(nowMs: number): ScaleView {
    const { members, serving, ordered, pendingReadyMs } = this.#fleet
    let [waiting, running] = [this.#line.length, 0]
    for (const { model } of members) {
      const { gauges } = model
      waiting += gauges.waiting + gauges.deferred
      running += gauges.running
    }
    const active = serving.reduce((sum, { slotsUsed }) => sum + slotsUsed, 0)
    return {
      nowMs,
      waiting,
      running,
      arrivals: this.#arrivals,
      inputTokens: this.#inputTokens,
      outputTokens: this.#outputTokens,
      ordered,
      ready: serving.length,
      pendingReadyMs,
      activeAdapters: active,
      engines: () => serving.map((replica) => replica.scrape(nowMs)),
    }
  }
}
