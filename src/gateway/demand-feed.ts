import type { DemandMessage, GatewayMessage, RoutableMessage } from '../api/gateway-protocol.ts'
import type { Gateway } from './gateway.ts'
import { workOfPools } from './work-of-pools.ts'

export interface DemandFeedOptions {
  readonly gateway: Gateway
  /** Unique to the process. */
  readonly id: string
  /** Between two looks; 100 ms. */
  readonly everyMs?: number
  /** A demand is told again after so long although it is the same; 1 s. */
  readonly atLeastEveryMs?: number
  /** Revisions nobody asked for in so long are not named any more; 60 s. */
  readonly forgetAfterMs?: number
}

type Listener = (message: GatewayMessage) => void

/** What this gateway tells the controller: the whole state to whoever comes, then what changes. Idle without listeners. */
export class DemandFeed {
  readonly #options: Required<DemandFeedOptions>
  readonly #listeners = new Set<Listener>()
  readonly #routable = new Map<string, { version: string; revisions: readonly string[] }>()
  readonly #forgetting: NodeJS.Timeout
  #table: Gateway['table'] | undefined
  #timer: NodeJS.Timeout | undefined
  #urgent: NodeJS.Immediate | undefined
  #demandText = ''
  #demandAt = 0
  #waitingPools: ReadonlySet<string> = new Set()

  constructor(options: DemandFeedOptions) {
    this.#options = { everyMs: 100, atLeastEveryMs: 1000, forgetAfterMs: 60_000, ...options }
    this.#forgetting = setInterval(
      () => options.gateway.forgetOldArrivals(),
      this.#options.forgetAfterMs,
    ).unref()
    // From zero: the controller should know before anybody has waited for a look.
    options.gateway.onWait((poolKey) => {
      if (this.#listeners.size > 0 && !this.#waitingPools.has(poolKey)) {
        this.#urgent ??= setImmediate(() => {
          this.#urgent = undefined
          this.#tellDemand()
        })
      }
    })
  }

  listen(listener: Listener): () => void {
    listener({ type: 'hello', gateway: this.#options.id })
    this.#tellRoutable()
    for (const [poolKey, { revisions }] of this.#routable) {
      listener({ type: 'routable', poolKey, revisions })
    }
    listener(this.#demand())
    this.#listeners.add(listener)
    this.#timer ??= setInterval(() => this.#look(), this.#options.everyMs).unref()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) {
        clearInterval(this.#timer)
        this.#timer = undefined
      }
    }
  }

  close(): void {
    this.#options.gateway.onWait(undefined)
    clearInterval(this.#forgetting)
    clearInterval(this.#timer)
    clearImmediate(this.#urgent)
    this.#listeners.clear()
  }

  #demand(): DemandMessage {
    const { gateway } = this.#options
    return { type: 'demand', pools: gateway.demand(), work: workOfPools(gateway.pools) }
  }

  #look(): void {
    this.#tellRoutable()
    this.#tellDemand()
  }

  #tellDemand(): void {
    const demand = this.#demand()
    const { pools } = demand
    const text = JSON.stringify(demand)
    const now = performance.now()
    if (text === this.#demandText && now - this.#demandAt < this.#options.atLeastEveryMs) {
      return
    }
    this.#demandText = text
    this.#demandAt = now
    this.#waitingPools = new Set(
      Object.keys(pools).filter((poolKey) =>
        Object.values(pools[poolKey] ?? {}).some(({ waiting }) => waiting > 0),
      ),
    )
    this.#tell(demand)
  }

  /** Pools whose replicas or table did not change are not looked at: with many adapters, that is all of the work. */
  #tellRoutable(): void {
    const { gateway } = this.#options
    const versions = gateway.acknowledgementVersions()
    const sameTable = this.#table === gateway.table
    this.#table = gateway.table
    for (const poolKey of this.#routable.keys()) {
      if (!versions.has(poolKey)) {
        this.#routable.delete(poolKey)
        this.#tell({ type: 'routable', poolKey, revisions: [] })
      }
    }
    for (const [poolKey, version] of versions) {
      const known = this.#routable.get(poolKey)
      if (known === undefined || known.version !== version || !sameTable) {
        const revisions = [...gateway.acknowledged(poolKey)].sort()
        this.#routable.set(poolKey, { version, revisions })
        if (known === undefined || !areEqual(known.revisions, revisions)) {
          this.#tell({ type: 'routable', poolKey, revisions })
        }
      }
    }
  }

  #tell(message: Exclude<GatewayMessage, { type: 'hello' }>): void {
    for (const listener of this.#listeners) {
      listener(message)
    }
  }
}

function areEqual(
  left: RoutableMessage['revisions'],
  right: RoutableMessage['revisions'],
): boolean {
  return left.length === right.length && left.every((revision, at) => revision === right[at])
}
