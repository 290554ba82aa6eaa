import type { DemandMessage, GatewayMessage, WorkOfPool } from '../api/gateway-protocol.ts'
import type { RevisionTraffic } from '../core/adapter-demand.ts'
import { medianCosts } from '../core/median-costs.ts'
import { ArrivalCounts } from './arrival-counts.ts'
import type { PoolDemand, Silence } from './model-pool/autoscaler.ts'
import { PoolCounters, type PoolCounts } from './pool-counters.ts'

interface GatewayRecord {
  /** The process that said it; counters start over with another one. */
  process: string
  demand: DemandMessage['pools']
  /** Absent: it does not say. */
  work: DemandMessage['work']
  readonly routable: Map<string, ReadonlySet<string>>
  /** Its last word on demand. */
  heardAtMs: number
  /** In the API server's eyes: only ready gateways have to acknowledge a revision. */
  isReady: boolean
}

/** A gateway that said nothing for so long is silent: nothing is scaled down. */
const freshMs = 5000
/** Its last word counts for so long, be it on demand or on what it can route. */
const heldMs = 60_000

/** What all gateways said last: demand by pool, and which revisions each can route to. */
export class GatewayDesk {
  readonly #gateways = new Map<string, GatewayRecord>()
  readonly #arrivals = new ArrivalCounts()
  readonly #counters = new PoolCounters()
  readonly #now: () => number
  /** When any gateway said what is asked. */
  #heardAtMs: number
  #toldSilent = ''

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#heardAtMs = now()
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
      work: undefined,
      routable: new Map(),
      heardAtMs: this.#now(),
      isReady,
    })
  }

  remove(name: string): void {
    this.#gateways.delete(name)
    this.#arrivals.forget(name)
    this.#counters.forget(name)
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
          gateway.work = undefined
          this.#arrivals.forget(name)
          this.#counters.forget(name)
        }
        gateway.routable.clear()
        return 'Nothing'
      case 'demand':
        this.#takeDemand(name, gateway, message)
        return 'Demand'
      case 'routable':
        gateway.routable.set(message.poolKey, new Set(message.revisions))
        return 'Routable'
      default:
        return message satisfies never
    }
  }

  demandOf(poolKey: string): PoolDemand {
    const sum = { waiting: 0, cold: 0, running: 0 }
    const works: (WorkOfPool | undefined)[] = []
    const now = this.#now()
    let isFresh = this.#gateways.size > 0 && now - this.#heardAtMs < freshMs
    for (const { demand, work, heardAtMs, isReady } of this.#gateways.values()) {
      const silentMs = now - heardAtMs
      isFresh &&= silentMs < freshMs || (silentMs >= heldMs && !isReady)
      if (silentMs < heldMs) {
        for (const one of Object.values(demand[poolKey] ?? {})) {
          sum.waiting += one.waiting
          sum.cold += one.cold ?? 0
          sum.running += one.running
        }
        if (demand[poolKey] !== undefined || work?.[poolKey] !== undefined) {
          works.push(work?.[poolKey])
        }
      }
    }
    const { arrivals, ...tokens } = this.#counters.of(poolKey)
    // Parts of what comes, from those that can say it, would be taken for the whole.
    const isCounted = works.length > 0 && !works.includes(undefined)
    return {
      ...sum,
      arrivals,
      ...(isCounted ? { tokens } : {}),
      costs: medianCosts(works.flatMap((work) => work?.costs ?? [])),
      isFresh,
      silence: this.#silence(),
    }
  }

  /** By revision, since this was asked last. Undefined while not everybody speaks: what was known before holds then. */
  trafficOf(poolKey: string): ReadonlyMap<string, RevisionTraffic> | undefined {
    return this.demandOf(poolKey).isFresh ? this.#arrivals.drain(poolKey) : undefined
  }

  /** Since the last time this was asked, another gateway fell silent for good, or speaks again. */
  hasOtherSilence(): boolean {
    const { reason, gateways } = this.#silence() ?? { reason: '', gateways: [] }
    const silent = `${reason} ${gateways.join()}`
    const isOther = silent !== this.#toldSilent
    this.#toldSilent = silent
    return isOther
  }

  /**
   * Revisions that every ready gateway can route to. Without a gateway, nobody can. One that is ready and has said nothing
   * for long neither vouches for a revision nor holds one up: it is dead, and soon not ready, or cut off from here alone.
   */
  acknowledged(poolKey: string): ReadonlySet<string> {
    const silent = new Set(this.#silentNames())
    const [first, ...others] = [...this.#gateways]
      .filter(([name, { isReady }]) => isReady && !silent.has(name))
      .map(([, gateway]) => gateway.routable.get(poolKey) ?? nothing)
    if (first === undefined) {
      return nothing
    }
    return others.reduce(
      (common, other) => new Set([...common].filter((revision) => other.has(revision))),
      first,
    )
  }

  #takeDemand(name: string, gateway: GatewayRecord, { pools, work }: DemandMessage): void {
    const now = this.#now()
    if (now - gateway.heardAtMs >= freshMs) {
      // What came meanwhile did not come in this moment.
      this.#counters.forget(name)
    }
    gateway.heardAtMs = now
    this.#heardAtMs = now
    gateway.demand = pools
    gateway.work = work
    this.#arrivals.take(name, pools)
    this.#counters.take(name, countsOf(pools, work))
  }

  #silence(): Silence | undefined {
    if (this.#now() - this.#heardAtMs >= heldMs) {
      return { reason: 'NoGateway', gateways: [] }
    }
    const gateways = this.#silentNames()
    return gateways.length === 0 ? undefined : { reason: 'GatewaySilent', gateways }
  }

  /** Ready pods whose last word does not count any more. */
  #silentNames(): readonly string[] {
    const now = this.#now()
    return [...this.#gateways]
      .filter(([, { isReady, heardAtMs }]) => isReady && now - heardAtMs >= heldMs)
      .map(([name]) => name)
  }
}

const nothing: ReadonlySet<string> = new Set()
const noWork: WorkOfPool = { requests: 0, inputTokens: 0, outputTokens: 0, answers: 0 }

function countsOf(
  pools: DemandMessage['pools'],
  work: DemandMessage['work'] = {},
): ReadonlyMap<string, PoolCounts> {
  const names = new Set([...Object.keys(pools), ...Object.keys(work)])
  return new Map(
    [...names].map((poolKey) => {
      const arrivals = Object.values(pools[poolKey] ?? {}).reduce(
        (sum, one) => sum + one.arrivals,
        0,
      )
      const { costs: _, ...counts } = work[poolKey] ?? noWork
      return [poolKey, { arrivals, ...counts }]
    }),
  )
}
