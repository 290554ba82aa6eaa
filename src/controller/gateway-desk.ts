import type { DemandMessage, GatewayMessage } from '../api/gateway-protocol.ts'
import type { PoolDemand } from './model-pool/autoscaler.ts'

interface GatewayRecord {
  /** The process that said it; counters start over with another one. */
  process: string
  demand: DemandMessage['pools']
  readonly routable: Map<string, ReadonlySet<string>>
  /** Its last word on demand. */
  heardAtMs: number
  /** In the API server's eyes: only ready gateways have to acknowledge a revision. */
  isReady: boolean
}

/** A gateway that said nothing for so long is silent: nothing is scaled down. */
const freshMs = 5000
/** Its last word counts for so long. */
const heldMs = 60_000

/** What all gateways said last: demand by pool, and which revisions each can route to. */
export class GatewayDesk {
  readonly #gateways = new Map<string, GatewayRecord>()
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  add(name: string, isReady: boolean): void {
    const known = this.#gateways.get(name)
    if (known !== undefined) {
      known.isReady = isReady
      return
    }
    this.#gateways.set(name, {
      process: '',
      demand: {},
      routable: new Map(),
      heardAtMs: this.#now(),
      isReady,
    })
  }

  remove(name: string): void {
    this.#gateways.delete(name)
  }

  names(): readonly string[] {
    return [...this.#gateways.keys()]
  }

  /** What the message may change. */
  take(name: string, message: GatewayMessage): 'Demand' | 'Routable' | 'Nothing' {
    const gateway = this.#gateways.get(name)
    if (gateway === undefined) {
      return 'Nothing'
    }
    switch (message.type) {
      case 'hello':
        // Another connection to the same process has said nothing new yet: what it said last holds.
        if (gateway.process !== message.gateway) {
          gateway.process = message.gateway
          gateway.demand = {}
        }
        gateway.routable.clear()
        return 'Nothing'
      case 'demand':
        gateway.heardAtMs = this.#now()
        gateway.demand = message.pools
        return 'Demand'
      case 'routable':
        gateway.routable.set(message.poolKey, new Set(message.revisions))
        return 'Routable'
      default:
        return message satisfies never
    }
  }

  demandOf(poolKey: string): PoolDemand {
    const sum = { waiting: 0, running: 0, arrivals: 0 }
    const now = this.#now()
    let isFresh = this.#gateways.size > 0
    for (const { demand, heardAtMs, isReady } of this.#gateways.values()) {
      const silentMs = now - heardAtMs
      isFresh &&= silentMs < freshMs || (silentMs >= heldMs && !isReady)
      if (silentMs < heldMs) {
        for (const one of Object.values(demand[poolKey] ?? {})) {
          sum.waiting += one.waiting
          sum.running += one.running
          sum.arrivals += one.arrivals
        }
      }
    }
    return { ...sum, isFresh }
  }

  /** Revisions that every ready gateway can route to. Without a gateway, nobody can. */
  acknowledged(poolKey: string): ReadonlySet<string> {
    const [first, ...others] = [...this.#gateways.values()]
      .filter((gateway) => gateway.isReady)
      .map((gateway) => gateway.routable.get(poolKey) ?? nothing)
    if (first === undefined) {
      return nothing
    }
    return others.reduce(
      (common, other) => new Set([...common].filter((revision) => other.has(revision))),
      first,
    )
  }
}

const nothing: ReadonlySet<string> = new Set()
