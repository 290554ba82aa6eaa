import { keyOf } from '../../api/metadata.ts'
import type { ModelPool } from '../../api/model-pool.ts'
import { decideReplicas, type AutoscaleInput } from '../../core/autoscale.ts'
import { emptyMemory, type AutoscaleMemory } from '../../core/autoscale-memory.ts'
import type { EngineCosts } from '../../core/route-cost.ts'
import type { PoolCounts } from '../pool-counters.ts'

/** What gateways and engines have of a pool at this moment. */
export interface PoolDemand {
  readonly waiting: number
  /** Of these, for adapters that have to be loaded first; absent: none. */
  readonly cold?: number
  readonly running: number
  /** Since gateways were first heard; never falls. */
  readonly arrivals: number
  /** Counted as `arrivals` are; absent: a gateway that has requests of the pool does not say. */
  readonly tokens?: Omit<PoolCounts, 'arrivals'> | undefined
  /** Of its engines, as gateways learned; absent: too little was seen. */
  readonly costs?: EngineCosts | undefined
  readonly isFresh: boolean
  /** Why it has not been known for a minute. */
  readonly silence: Silence | undefined
}

/** Nobody says what is asked, or not everybody who should. */
export interface Silence {
  readonly reason: 'NoGateway' | 'GatewaySilent'
  /** Pods that should speak. */
  readonly gateways: readonly string[]
}

export interface AutoscalerOptions {
  readonly demandOf: (poolKey: string) => PoolDemand
  readonly replicasOf: (poolKey: string) => AutoscaleInput['replicas']
  readonly isJudging: (poolKey: string) => boolean
  /** Another number is wanted now. */
  readonly onChange: (poolKey: string, desired: number, words: string) => void
  /** Monotonic milliseconds. */
  readonly now?: () => number
  readonly everyMs?: number
}

interface Line {
  pool: ModelPool
  memory: AutoscaleMemory
  desired: number | undefined
  /** Its spec is another one than at the last look. */
  isOther: boolean
}

/** Looks at each pool with `scaling` once a second; decides nothing itself. */
export class Autoscaler {
  readonly #options: AutoscalerOptions
  readonly #lines = new Map<string, Line>()
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined

  constructor(options: AutoscalerOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), this.#options.everyMs ?? 1000).unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  sync(pools: Iterable<ModelPool>): void {
    const present = new Set<string>()
    for (const pool of pools) {
      const key = keyOf(pool.metadata)
      if (pool.spec.scaling !== undefined && !pool.spec.paused) {
        present.add(key)
        const line = this.#lines.get(key)
        if (line === undefined) {
          const memory = emptyMemory(this.#now())
          this.#lines.set(key, { pool, memory, desired: undefined, isOther: false })
        } else {
          line.isOther ||= line.pool.metadata.generation !== pool.metadata.generation
          line.pool = pool
        }
      }
    }
    for (const key of this.#lines.keys()) {
      if (!present.has(key)) {
        this.#lines.delete(key)
      }
    }
  }

  /** Undefined for a pool without `scaling`: its spec says it. */
  desiredOf(poolKey: string): number | undefined {
    const line = this.#lines.get(poolKey)
    if (line === undefined) {
      return undefined
    }
    if (line.desired === undefined) {
      this.#decide(poolKey, line)
    }
    return line.desired
  }

  /** One look at every pool, once a second: what is learned of the load is learned by look. */
  look(): void {
    for (const [key, line] of this.#lines) {
      this.#lookAt(key, line)
    }
  }

  /** Pools that cannot wait for the next look: at zero and asked for, or with a spec of which nothing was decided yet. */
  wake(): void {
    for (const [key, line] of this.#lines) {
      const isNew = line.desired === undefined || line.isOther
      if (isNew || (line.desired === 0 && this.#isAskedFor(key))) {
        this.#lookAt(key, line)
      }
    }
  }

  #isAskedFor(poolKey: string): boolean {
    const { waiting, running } = this.#options.demandOf(poolKey)
    return waiting + running > 0 || this.#options.isJudging(poolKey)
  }

  #lookAt(poolKey: string, line: Line): void {
    const before = line.desired
    line.isOther = false
    const words = this.#decide(poolKey, line)
    if (line.desired !== undefined && line.desired !== before) {
      this.#options.onChange(poolKey, line.desired, words)
    }
  }

  #decide(poolKey: string, line: Line): string {
    const { scaling } = line.pool.spec
    if (scaling === undefined) {
      return ''
    }
    const replicas = this.#options.replicasOf(poolKey)
    const said = this.#options.demandOf(poolKey)
    const tpotMs = scaling.targetTpotMilliseconds
    const { desired, memory, words } = decideReplicas(
      {
        policy: scaling,
        nowMs: this.#now(),
        demand: demandIn(said),
        // What was decided a moment ago may not be written yet: to take it back is to scale down, with all that needs.
        replicas: { ...replicas, current: Math.max(replicas.current, line.desired ?? 0) },
        isJudging: this.#options.isJudging(poolKey),
        service: tpotMs === undefined ? undefined : { tpotMs, costs: said.costs },
      },
      line.memory,
    )
    line.memory = memory
    line.desired = desired
    return words
  }
}

/** Where tokens are known, it is known too which calls only count some. */
function demandIn({ waiting, cold, running, arrivals, tokens, isFresh }: PoolDemand) {
  return tokens === undefined
    ? { waiting, cold, running, arrivals, isFresh }
    : { waiting, cold, running, calls: arrivals, isFresh, ...tokens, arrivals: tokens.requests }
}
