// Several gateways before one fleet in the lab: each with its own counters and queue, and with the product's own ways of
// telling the others (PlaceShare at the gateway, PlaceDesk at each replica). Only the wire between them is left out.
import { PlaceDesk } from '../../src/agent/place-desk.ts'
import type { TenantWait } from '../../src/core/divide-places.ts'
import { PlaceShare } from '../../src/gateway/admission/place-share.ts'
import type { LabReplica } from '../../src/sim/lab/lab-replica.ts'
import type { LabRequest } from '../../src/sim/lab/lab-request.ts'
import { send, wait, type RouteChoice, type RoutePolicy } from '../../src/sim/lab/policy.ts'
import { FairShareOrder } from '../../src/sim/lab/queues/fair-share-order.ts'
import { TenantQueue } from '../../src/sim/lab/queues/tenant-queue.ts'
import type { WeightOf } from '../../src/sim/lab/queues/tenant-order.ts'
import { createRandom, type Random } from '../../src/sim/lab/random.ts'
import type { RequestQueue, Take } from '../../src/sim/lab/request-queue.ts'

/** As agents and gateways have them. */
const renewEveryMs = 100
const askEveryMs = 20
const lookEveryMs = 500
const maxInFlight = 8192

interface Seat {
  readonly share: PlaceShare
  inFlight: number
  toldMs: number
}

/** One gateway: what it knows is what it was told. */
class LabGateway {
  readonly name: string
  readonly queue: TenantQueue
  readonly #order: FairShareOrder
  readonly #now: () => number
  readonly #seats = new Map<number, Seat>()

  constructor(name: string, weightOf: WeightOf, now: () => number) {
    this.name = name
    this.#now = now
    this.#order = new FairShareOrder(weightOf, ({ entry, replica }, amount) =>
      this.seatAt(replica).share.charge(entry.tenant, amount),
    )
    this.queue = new TenantQueue(this.#order)
  }

  seatAt(replica: number): Seat {
    const known = this.#seats.get(replica)
    if (known !== undefined) {
      return known
    }
    const order = { fair: this.#order.fair, waitsFor: () => this.#waits(), turns: () => new Map() }
    const share = new PlaceShare({ maxInFlight, now: this.#now, order })
    share.begin({ shares: true }, true)
    const seat = { share, inFlight: 0, toldMs: -Infinity }
    this.#seats.set(replica, seat)
    return seat
  }

  /** As the gateway's `findPlace`: where it has least itself, of those with room for it. */
  route(replicas: readonly LabReplica[]): RouteChoice {
    let best: LabReplica | undefined
    let least = Infinity
    for (const replica of replicas) {
      const { inFlight, share } = this.seatAt(replica.index)
      if (inFlight < Math.min(least, share.places)) {
        best = replica
        least = inFlight
      }
    }
    return best === undefined ? wait : send(best)
  }

  /** Every 100 ms, and sooner while somebody waits for a place there. */
  tell(replica: number, desk: PlaceDesk): void {
    const seat = this.seatAt(replica)
    const isWanted = this.queue.length > 0 && seat.inFlight >= seat.share.places
    if (this.#now() - seat.toldMs < (isWanted ? askEveryMs : renewEveryMs)) {
      return
    }
    seat.toldMs = this.#now()
    const share = seat.share.report(
      { inFlight: seat.inFlight, queuedPromptTokens: 0, remainingTokens: 0 },
      [],
      () => true,
    )
    const call = { gateway: this.name, wanted: [], inFlight: {} }
    seat.share.answered(desk.call(share === undefined ? call : { ...call, share }))
  }

  #waits(): readonly TenantWait[] {
    const waits = new Map<string, TenantWait>()
    for (const line of this.queue.lines()) {
      const [first] = line
      const { tenant = '' } = first?.entry ?? {}
      const known = waits.get(tenant)
      if (first !== undefined) {
        waits.set(tenant, {
          tenant,
          turn: this.#order.fair.turnOf(tenant),
          cost: known?.cost ?? this.#order.costOf(first),
          count: (known?.count ?? 0) + line.length,
          waitedMs: Math.max(known?.waitedMs ?? 0, Math.round(this.#now() - first.arrivedMs)),
        })
      }
    }
    return [...waits.values()].sort((left, right) => left.turn - right.turn)
  }
}

export class LabGateways implements RequestQueue {
  readonly name: string
  readonly source = 'gateway/admission/place-share.ts, agent/place-desk.ts, core/fair-share.ts'
  readonly policy: RoutePolicy
  readonly #gateways: readonly LabGateway[]
  readonly #gatewayOf = new Map<LabRequest, LabGateway>()
  readonly #desks = new Map<number, PlaceDesk>()
  readonly #random: Random
  #replicas: readonly LabReplica[] = []
  #nowMs = 0
  #lookedMs = -Infinity

  /** @param count gateways; each request comes to any of them */
  constructor(count: number, weightOf: WeightOf, seed: number) {
    this.name = `${count} gateways`
    this.#random = createRandom(seed)
    this.#gateways = Array.from(
      { length: count },
      (_, at) => new LabGateway(`gateway-${at}`, weightOf, () => this.#nowMs),
    )
    this.policy = {
      name: this.name,
      source: 'gateway/admission/find-place.ts',
      isPlanned: false,
      route: (request, view) => {
        this.#replicas = view.replicas
        return this.#of(request).route(view.replicas)
      },
    }
  }

  get length(): number {
    return this.#gateways.reduce((sum, { queue }) => sum + queue.length, 0)
  }

  arrive(request: LabRequest, take: Take, nowMs: number): void {
    const at = Math.floor(this.#random.next() * this.#gateways.length)
    const gateway = this.#gateways[at]
    if (gateway !== undefined) {
      this.#gatewayOf.set(request, gateway)
      this.#tick(nowMs)
      gateway.queue.arrive(request, this.#counted(take), nowMs)
    }
  }

  offer(take: Take, nowMs: number): void {
    this.#tick(nowMs)
    for (const { queue } of this.#gateways) {
      queue.offer(this.#counted(take), nowMs)
    }
  }

  token(request: LabRequest, nowMs: number): void {
    this.#of(request).queue.token(request, nowMs)
    this.#tick(nowMs)
  }

  ended(request: LabRequest): void {
    const gateway = this.#of(request)
    gateway.seatAt(request.replica).inFlight -= 1
    gateway.queue.ended(request)
    this.#gatewayOf.delete(request)
  }

  #counted(take: Take): Take {
    return (request) => {
      const isTaken = take(request)
      if (isTaken) {
        this.#of(request).seatAt(request.replica).inFlight += 1
      }
      return isTaken
    }
  }

  #of(request: LabRequest): LabGateway {
    const gateway = this.#gatewayOf.get(request)
    if (gateway === undefined) {
      throw new Error('a request that came to no gateway')
    }
    return gateway
  }

  #tick(nowMs: number): void {
    if (nowMs === this.#nowMs) {
      return
    }
    this.#nowMs = nowMs
    const isToLook = nowMs - this.#lookedMs >= lookEveryMs
    this.#lookedMs = isToLook ? nowMs : this.#lookedMs
    for (const { index, model } of this.#replicas) {
      const desk = this.#deskOf(index)
      if (isToLook) {
        const { running, waiting, deferred } = model.gauges
        desk.note({ running, waiting: waiting + deferred })
      }
      for (const gateway of this.#gateways) {
        gateway.tell(index, desk)
      }
    }
  }

  #deskOf(replica: number): PlaceDesk {
    const clock = { now: () => this.#nowMs, after: () => ({ cancel: () => undefined }) }
    const desk = this.#desks.get(replica) ?? new PlaceDesk(clock, { ttlMs: 5000, lingerMs: 10_000 })
    this.#desks.set(replica, desk)
    return desk
  }
}
