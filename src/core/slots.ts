import type { LeaseAnswer, LeaseRequest } from '../api/agent-protocol.ts'

/** All times are milliseconds of one clock that never goes back. */
export interface SlotSettings {
  /** `max_loras`: distinct adapters in flight on the engine. */
  readonly total: number
  /** A gateway that has not called for so long may admit nothing more. */
  readonly ttlMs: number
  /** What a gateway that fell silent had in flight counts as ended so long after its lease did. */
  readonly lingerMs: number
  /** A busy adapter keeps its slot at least so long while others wait. */
  readonly quantumMs: number
}

export const slotDefaults: Omit<SlotSettings, 'total'> = {
  ttlMs: 5000,
  lingerMs: 10_000,
  quantumMs: 1000,
}

/** So many quanta a seat stays with a tenant that was served less than those who wait. */
const privilegedQuanta = 8

/** What decides about a grant and is not the table's own. */
export interface SlotView {
  readonly nowMs: number
  /** False while the engine is away or drains: nothing is granted. */
  readonly open: boolean
  /** I2: only a revision that is routable here may be granted. */
  isRoutable(revision: string): boolean
}

/** What the last answer to this gateway said of the revision. */
type Told = 'Nothing' | 'Granted' | 'NotGranted'

interface Holder {
  inFlight: number
  wanted: boolean
  told: Told
}

interface Seat {
  grantedAtMs: number
  reclaimedAtMs: number | undefined
  readonly holders: Map<string, Holder>
}

/**
 * Who may have which adapter in flight. A seat is one slot: a revision, and the gateways that may send to it.
 *
 * The gateways' side of the bargain, without which the bound does not hold: one call at a time; a revision is given back
 * by leaving it out of both lists, and from the moment such a request is sent it is not granted until an answer says so;
 * a reclaimed one admits nothing new; after a failed call nothing new is admitted until an answer arrives.
 *
 * DESIGN 2.7: more distinct adapters in flight than slots, and vLLM starves the rest without ageing.
 */
export class SlotTable {
  readonly #settings: SlotSettings
  readonly #seats = new Map<string, Seat>()
  /** Revision → gateways that wait for it. The map's order is the queue: a revision comes in at the end. */
  readonly #queue = new Map<string, Set<string>>()
  readonly #lastCallMs = new Map<string, number>()
  /** By revision: the least counter of the tenants who call it (I15), as their gateways said last. */
  readonly #turns = new Map<string, number>()
  /** Gateways to tell that they should call: their grants changed since their last answer. */
  readonly #stale = new Set<string>()
  #workClaimed = false

  constructor(settings: SlotSettings) {
    this.#settings = settings
  }

  lease(request: LeaseRequest, view: SlotView): LeaseAnswer {
    this.#lastCallMs.set(request.gateway, view.nowMs)
    this.#record(request, view)
    this.#noteTurns(request)
    this.advance(view)
    return this.#answer(request.gateway, view)
  }

  /** What time alone changes: leases that end, quanta that are over, waiters that can now be served. */
  advance(view: SlotView): void {
    this.#expire(view.nowMs)
    if (view.open) {
      const waiting = this.#assign(view)
      this.#reclaim(waiting, view)
    }
  }

  /** One slot for loads and canaries, ahead of every waiter. True once it is there; until then, ask again. */
  claimWork(view: SlotView): boolean {
    this.#workClaimed = true
    this.advance(view)
    return this.hasWork
  }

  releaseWork(view: SlotView): void {
    this.#workClaimed = false
    this.advance(view)
  }

  get hasWork(): boolean {
    return this.#workClaimed && this.#seats.size <= this.#capacity
  }

  /** The engine process is gone, and with it all that was in flight. Waiters stay; seats do not. */
  clear(): void {
    for (const seat of this.#seats.values()) {
      this.#markStale(seat)
    }
    this.#seats.clear()
  }

  /** Its grant is void, or all are: their gateways had better call now than at their next poll. */
  nudge(revision?: string): void {
    for (const [seated, seat] of this.#seats) {
      if (revision === undefined || seated === revision) {
        this.#markStale(seat)
      }
    }
  }

  /** Something of it may be in flight, or may be sent by somebody who was not told yet. */
  isHeld(revision: string): boolean {
    return this.#seats.has(revision)
  }

  get used(): number {
    return this.#seats.size + (this.hasWork ? 1 : 0)
  }

  get total(): number {
    return this.#settings.total
  }

  /** Seats with nothing in flight, as their gateways said last, that nobody asked back yet. */
  get kept(): number {
    return this.#victims().filter(([, seat]) => isIdle(seat)).length
  }

  get waiting(): number {
    return this.#queue.size
  }

  get hasStale(): boolean {
    return this.#stale.size > 0
  }

  /** Gateways whose grants changed since their last answer; each is named once. */
  takeStale(): readonly string[] {
    const stale = [...this.#stale]
    this.#stale.clear()
    return stale
  }

  get #capacity(): number {
    return this.#settings.total - (this.#workClaimed ? 1 : 0)
  }

  #record(request: LeaseRequest, view: SlotView): void {
    const { gateway } = request
    const wanted = new Set(request.wanted)
    for (const [revision, seat] of this.#seats) {
      const holder = seat.holders.get(gateway)
      if (holder !== undefined) {
        const inFlight = request.inFlight[revision]
        const kept = inFlight !== undefined || wanted.has(revision)
        if (!kept || (holder.told === 'NotGranted' && (inFlight ?? 0) === 0)) {
          this.#leave(revision, seat, gateway)
        } else {
          holder.inFlight = inFlight ?? 0
          holder.wanted = wanted.has(revision)
        }
      }
    }
    this.#adopt(request, wanted, view)
    this.#enqueue(gateway, wanted)
  }

  /**
   * In flight without a seat: granted by an agent before this one, or by a report that was long on its way. It counts,
   * even beyond the total; there it is not granted but asked back at once.
   */
  #adopt(request: LeaseRequest, wanted: ReadonlySet<string>, view: SlotView): void {
    for (const [revision, inFlight] of Object.entries(request.inFlight)) {
      if (inFlight > 0 && this.#seats.get(revision)?.holders.has(request.gateway) !== true) {
        const holder: Holder = { inFlight, wanted: wanted.has(revision), told: 'Nothing' }
        const isOver = !this.#seats.has(revision) && this.#seats.size >= this.#capacity
        const seat = this.#seat(revision, view.nowMs)
        seat.holders.set(request.gateway, holder)
        seat.reclaimedAtMs ??= isOver ? view.nowMs : undefined
      }
    }
  }

  #enqueue(gateway: string, wanted: ReadonlySet<string>): void {
    for (const [revision, gateways] of this.#queue) {
      if (!wanted.has(revision) && gateways.delete(gateway) && gateways.size === 0) {
        this.#queue.delete(revision)
      }
    }
    for (const revision of wanted) {
      const seat = this.#seats.get(revision)
      if (seat?.holders.has(gateway) !== true || seat.reclaimedAtMs !== undefined) {
        const gateways = this.#queue.get(revision) ?? new Set()
        this.#queue.set(revision, gateways.add(gateway))
      }
    }
  }

  #noteTurns({ share }: LeaseRequest): void {
    for (const [revision, turn] of Object.entries(share?.turns ?? {})) {
      this.#turns.set(revision, turn)
    }
    for (const revision of this.#turns.keys()) {
      if (!this.#seats.has(revision) && !this.#queue.has(revision)) {
        this.#turns.delete(revision)
      }
    }
  }

  #turnOf(revision: string): number {
    return this.#turns.get(revision) ?? 0
  }

  /**
   * Serves the queue: whose tenant was served least comes first, and who came first among equals. Returns the turns of
   * those who still wait for a slot that is not theirs already, the least first.
   */
  #assign(view: SlotView): readonly number[] {
    const waiting: number[] = []
    const queue = [...this.#queue].sort(([one], [other]) => this.#turnOf(one) - this.#turnOf(other))
    for (const [revision, gateways] of queue) {
      const seat = this.#seats.get(revision)
      const servable = this.#seats.size < this.#capacity + (seat === undefined ? 0 : 1)
      // A seat that nobody reclaimed is shared at once; otherwise it is strictly one after the other.
      const mayPass =
        waiting.length === 0 || (seat !== undefined && seat.reclaimedAtMs === undefined)
      if (view.isRoutable(revision)) {
        if (servable && mayPass) {
          this.#serve(revision, gateways, view.nowMs)
        } else if (seat === undefined) {
          waiting.push(this.#turnOf(revision))
        }
      }
    }
    return waiting
  }

  #serve(revision: string, gateways: ReadonlySet<string>, nowMs: number): void {
    this.#queue.delete(revision)
    const seat = this.#seat(revision, nowMs)
    if (seat.reclaimedAtMs !== undefined) {
      this.#restore(seat, nowMs)
    }
    for (const gateway of gateways) {
      if (!seat.holders.has(gateway)) {
        seat.holders.set(gateway, { inFlight: 0, wanted: true, told: 'Nothing' })
      }
    }
    this.#markStale(seat)
  }

  #reclaim(waiting: readonly number[], view: SlotView): void {
    const overflow = this.#seats.size - this.#capacity
    if (waiting.length === 0 && overflow <= 0) {
      this.#forgive(view.nowMs)
      return
    }
    // One that does not come back within a quantum (a long stream) does not count: another one is asked for too.
    const reclaimed = [...this.#seats.values()].filter((seat) => seat.reclaimedAtMs !== undefined)
    const pending = reclaimed.filter(
      (seat) => view.nowMs - (seat.reclaimedAtMs ?? 0) < this.#settings.quantumMs,
    ).length
    const forWork = overflow - reclaimed.length
    const unmet = waiting.slice(Math.min(pending, waiting.length))
    let missing = Math.max(unmet.length, forWork)
    for (const [index, [revision, seat]] of this.#victims().entries()) {
      const taker = unmet[unmet.length - missing] ?? Number.NEGATIVE_INFINITY
      const isToGo =
        isIdle(seat) || index < forWork || this.#mustYield(revision, seat, taker, view.nowMs)
      if (missing > 0 && isToGo) {
        seat.reclaimedAtMs = view.nowMs
        this.#markStale(seat)
        missing -= 1
      }
    }
  }

  /** Its quantum is over, and whoever waits has as much right to it; or it has been there for long, whoever has. */
  #mustYield(revision: string, seat: Seat, waiting: number, nowMs: number): boolean {
    const { quantumMs } = this.#settings
    const heldMs = nowMs - seat.grantedAtMs
    return (
      heldMs >= quantumMs &&
      (this.#turnOf(revision) >= waiting || heldMs >= privilegedQuanta * quantumMs)
    )
  }

  /** Idle ones first, then those whose tenants were served most, then those granted longest. */
  #victims(): readonly (readonly [revision: string, seat: Seat])[] {
    return [...this.#seats]
      .filter(([, seat]) => seat.reclaimedAtMs === undefined)
      .sort(
        ([oneName, one], [otherName, other]) =>
          Number(isIdle(other)) - Number(isIdle(one)) ||
          this.#turnOf(otherName) - this.#turnOf(oneName) ||
          one.grantedAtMs - other.grantedAtMs,
      )
  }

  /** Nobody waits any more: what was reclaimed and is still there may stay. */
  #forgive(nowMs: number): void {
    for (const seat of this.#seats.values()) {
      if (seat.reclaimedAtMs !== undefined) {
        this.#restore(seat, nowMs)
        this.#markStale(seat)
      }
    }
  }

  #restore(seat: Seat, nowMs: number): void {
    seat.grantedAtMs = nowMs
    seat.reclaimedAtMs = undefined
    for (const holder of seat.holders.values()) {
      holder.told = 'Nothing'
    }
  }

  #expire(nowMs: number): void {
    for (const [gateway, lastCallMs] of this.#lastCallMs) {
      const silentMs = nowMs - lastCallMs
      if (silentMs > this.#settings.ttlMs) {
        this.#dequeue(gateway)
      }
      if (silentMs > this.#settings.ttlMs + this.#settings.lingerMs) {
        this.#lastCallMs.delete(gateway)
        for (const [revision, seat] of this.#seats) {
          this.#leave(revision, seat, gateway)
        }
      }
    }
  }

  #dequeue(gateway: string): void {
    for (const [revision, gateways] of this.#queue) {
      if (gateways.delete(gateway) && gateways.size === 0) {
        this.#queue.delete(revision)
      }
    }
  }

  #answer(gateway: string, view: SlotView): LeaseAnswer {
    const granted: string[] = []
    const reclaimed: string[] = []
    for (const [revision, seat] of this.#seats) {
      const holder = seat.holders.get(gateway)
      if (holder !== undefined) {
        const valid = view.open && seat.reclaimedAtMs === undefined && view.isRoutable(revision)
        holder.told = valid ? 'Granted' : 'NotGranted'
        ;(valid ? granted : reclaimed).push(revision)
      }
    }
    this.#stale.delete(gateway)
    return { granted, reclaimed, ttlMs: this.#settings.ttlMs }
  }

  #seat(revision: string, nowMs: number): Seat {
    const seat = this.#seats.get(revision) ?? {
      grantedAtMs: nowMs,
      reclaimedAtMs: undefined,
      holders: new Map<string, Holder>(),
    }
    this.#seats.set(revision, seat)
    return seat
  }

  #leave(revision: string, seat: Seat, gateway: string): void {
    seat.holders.delete(gateway)
    if (seat.holders.size === 0) {
      this.#seats.delete(revision)
    }
  }

  #markStale(seat: Seat): void {
    for (const gateway of seat.holders.keys()) {
      this.#stale.add(gateway)
    }
  }
}

function isIdle(seat: Seat): boolean {
  return [...seat.holders.values()].every((holder) => holder.inFlight === 0 && !holder.wanted)
}
