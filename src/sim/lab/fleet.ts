import type { ModelAdapter, ModelOptions } from '../model-types.ts'
import { victimOf, type FleetMember } from './fleet-member.ts'
import { LabReplica, type LabReplicaListener } from './lab-replica.ts'
import type { LabRequest } from './lab-request.ts'

export interface FleetOptions {
  readonly engine: ModelOptions
  /** What every replica has before it serves. */
  readonly adapters: readonly ModelAdapter[]
  /** From order to an engine that answers. */
  readonly coldStartMs: number
}

export interface FleetEvents {
  /** Something became free: who waits may have a place now. */
  changed(): void
  ended(request: LabRequest, nowMs: number): void
  /** One more token of a request. */
  readonly token?: ((request: LabRequest, nowMs: number) => void) | undefined
}

/** How many there are of each kind, at one moment. */
export interface FleetCounts {
  readonly serving: number
  readonly starting: number
  readonly leaving: number
}

/**
 * Replicas that come and go. One that is ordered is up after the cold start, then loads every adapter, then serves. One
 * that leaves gets nothing new and ends its streams: none is cut (I4). GPU time counts from the order to the end.
 */
export class Fleet {
  readonly #options: FleetOptions
  readonly #events: FleetEvents
  readonly #listener: LabReplicaListener
  readonly #members: FleetMember[] = []
  #live: readonly FleetMember[] = []
  #serving: readonly LabReplica[] = []
  #nextUpMs = Infinity

  constructor(options: FleetOptions, events: FleetEvents) {
    this.#options = options
    this.#events = events
    this.#listener = {
      firstToken: () => events.changed(),
      token: events.token,
      ended: (request, nowMs) => {
        events.ended(request, nowMs)
        events.changed()
        this.#endLeaving(nowMs)
      },
      loaded: (replica) => {
        events.changed()
        this.#loaded(replica)
      },
    }
  }

  /** Those that take requests, oldest first. */
  get serving(): readonly LabReplica[] {
    return this.#serving
  }

  /** All that hold requests, those that leave included. */
  get members(): readonly LabReplica[] {
    return this.#live.map(({ replica }) => replica)
  }

  /** Reads of adapters from disk, those of the start included. */
  get diskReads(): number {
    return this.#members.reduce((sum, { replica }) => sum + replica.diskReads, 0)
  }

  /** Asked for and not leaving. */
  get ordered(): number {
    return this.#live.length - this.#count('Leaving')
  }

  get counts(): FleetCounts {
    const starting = this.#count('Starting') + this.#count('Loading')
    return { serving: this.#serving.length, starting, leaving: this.#count('Leaving') }
  }

  /** When those that start will be up. */
  get pendingReadyMs(): readonly number[] {
    return this.#live
      .filter(({ stage }) => stage === 'Starting' || stage === 'Loading')
      .map(({ upMs }) => upMs)
  }

  /** There from the start, with what replicas have before they serve, unless it is brought there by plan. */
  begin(replicas: number, isPlanned = false): void {
    for (let index = 0; index < replicas; index += 1) {
      const member = this.#add(0, 0)
      for (const adapter of isPlanned ? [] : this.#firstAdapters()) {
        member.replica.preload(adapter)
      }
      member.stage = 'Serving'
    }
    this.#refresh()
  }

  scaleTo(desired: number, nowMs: number): void {
    for (let more = desired - this.ordered; more > 0; more -= 1) {
      this.#add(nowMs, nowMs + this.#options.coldStartMs)
    }
    for (let fewer = this.ordered - desired; fewer > 0; fewer -= 1) {
      this.#release(nowMs)
    }
    this.#refresh()
  }

  /** The next moment at which an engine has something to do, or one is up. */
  nextMs(): number {
    let least = this.#nextUpMs
    for (const { replica } of this.#live) {
      const next = replica.model.nextEventMs()
      if (next !== undefined && next < least) {
        least = next
      }
    }
    return least
  }

  advance(nowMs: number): void {
    if (nowMs >= this.#nextUpMs) {
      this.#wake(nowMs)
    }
    for (const { replica } of this.#live) {
      const next = replica.model.nextEventMs()
      if (next !== undefined && next <= nowMs) {
        replica.model.advance(nowMs)
      }
    }
  }

  /**
   * The oldest serving engine dies, and another is started in its place. Returns those that had no first token: they
   * may go elsewhere (I10). Streams on it are lost.
   */
  fail(nowMs: number): readonly LabRequest[] {
    const member = this.#live.find(({ stage }) => stage === 'Serving')
    if (member === undefined) {
      return []
    }
    const inside = member.replica.model.inFlight.map(({ request }) => request)
    member.replica.model.kill(nowMs)
    this.#end(member, nowMs)
    this.#add(nowMs, nowMs + this.#options.coldStartMs)
    this.#refresh()
    return inside.filter(({ firstTokenMs }) => Number.isNaN(firstTokenMs))
  }

  /** Milliseconds of GPUs from their order to their end, or to `untilMs`. */
  gpuMs(untilMs: number): number {
    return this.#members.reduce(
      (sum, { orderedMs, goneMs }) => sum + Math.max(0, Math.min(goneMs, untilMs) - orderedMs),
      0,
    )
  }

  #add(orderedMs: number, upMs: number): FleetMember {
    const { engine } = this.#options
    const replica = new LabReplica(this.#members.length, engine, upMs, this.#listener)
    const member: FleetMember = { replica, orderedMs, upMs, stage: 'Starting', goneMs: Infinity }
    this.#members.push(member)
    this.#live = [...this.#live, member]
    return member
  }

  #release(nowMs: number): void {
    const victim = victimOf(this.#live)
    if (victim === undefined) {
      return
    }
    victim.replica.isLeaving = true
    victim.stage = 'Leaving'
    if (victim.replica.inFlight === 0) {
      this.#end(victim, nowMs)
    }
  }

  /** Up: it loads what it has to have, one adapter after another. */
  #wake(nowMs: number): void {
    for (const member of this.#live) {
      if (member.stage === 'Starting' && member.upMs <= nowMs) {
        member.stage = 'Loading'
        for (const adapter of this.#firstAdapters()) {
          member.replica.order(adapter, nowMs)
        }
        this.#loaded(member.replica)
      }
    }
    this.#refresh()
  }

  #loaded(replica: LabReplica): void {
    const member = this.#live.find((one) => one.replica === replica)
    if (member?.stage === 'Loading' && replica.residents.size >= this.#firstAdapters().length) {
      member.stage = 'Serving'
      this.#refresh()
    }
  }

  #endLeaving(nowMs: number): void {
    const ended = this.#live.filter(
      ({ stage, replica }) => stage === 'Leaving' && replica.inFlight === 0,
    )
    for (const member of ended) {
      this.#end(member, nowMs)
    }
    if (ended.length > 0) {
      this.#refresh()
    }
  }

  #end(member: FleetMember, nowMs: number): void {
    member.stage = 'Gone'
    member.goneMs = nowMs
    this.#live = this.#live.filter((other) => other !== member)
  }

  #refresh(): void {
    const starting = this.#live.filter(({ stage }) => stage === 'Starting')
    this.#nextUpMs = Math.min(...starting.map(({ upMs }) => upMs))
    this.#serving = this.#live
      .filter(({ stage }) => stage === 'Serving')
      .map(({ replica }) => replica)
    this.#events.changed()
  }

  #firstAdapters(): readonly ModelAdapter[] {
    return this.#options.adapters.slice(0, this.#options.engine.maxCpuLoras)
  }

  #count(stage: FleetMember['stage']): number {
    return this.#live.reduce((sum, member) => sum + (member.stage === stage ? 1 : 0), 0)
  }
}
