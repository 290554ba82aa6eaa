import type { ResourceSnapshot } from '../api/kinds.ts'
import { estimateDemand, type DemandMemory, type RevisionTraffic } from '../core/adapter-demand.ts'
import type { StepCosts } from '../core/residency-lines.ts'
import type { WantedRevision } from '../core/adapter-plan.ts'
import type { ReplicaState } from './model-pool/pool-replicas.ts'
import { PoolResidency } from './pool-residency.ts'
import type { ReplicaGroup } from './replica-groups.ts'

export interface ResidencyPlansOptions {
  /** What came for a pool's revisions since it was asked last; undefined: nobody says, and what was known holds. */
  readonly traffic?:
    | ((poolKey: string) => ReadonlyMap<string, RevisionTraffic> | undefined)
    | undefined
  /** Of a pool's engines, as gateways learned; undefined: too little was seen. */
  readonly costs?: (poolKey: string) => StepCosts | undefined
  /** Another plan: a pass has to see to it. */
  readonly onChange: () => void
  /** Monotonic milliseconds. */
  readonly now?: () => number
  readonly everyMs?: number
}

/** Between two looks at demand. */
const lookEveryMs = 5000
/** New revisions are placed at once, but a stream of them is no reason to plan without end. */
const planAgainMs = 1000

/** Who does not speak for so long is not waited for. */
const hearMs = 5000

interface Line {
  readonly residency: PoolResidency
  readonly sinceMs: number
  /** Its replicas were heard when it was first seen. */
  isOpen: boolean
  demand: DemandMemory | undefined
  /** The last that were known: gateways that all start again are to move nothing. */
  costs: StepCosts | undefined
  plannedAtMs: number
}

/** Which replicas keep what loaded, pool by pool: looked at every few seconds, and when something new has no place yet. */
export class ResidencyPlans {
  readonly #options: ResidencyPlansOptions
  readonly #lines = new Map<string, Line>()
  readonly #now: () => number
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Timeout | undefined

  constructor(options: ResidencyPlansOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), this.#options.everyMs ?? lookEveryMs).unref()
  }

  close(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#soon)
  }

  /** Undefined for a pool that was never seen with its replicas. */
  of(poolKey: string): PoolResidency | undefined {
    return this.#lines.get(poolKey)?.residency
  }

  /** Requests a second; undefined for a revision that is neither promised nor asked for. */
  rateOf(poolKey: string, revision: string): number | undefined {
    const line = this.#lines.get(poolKey)
    const rate = line?.demand?.revisions.get(revision)?.rate
    return rate ?? (line?.residency.isPromised(revision) === true ? 0 : undefined)
  }

  /** One look at every pool's demand. */
  look(): void {
    let isOther = false
    for (const [poolKey, line] of this.#lines) {
      if (!line.isOpen) {
        continue
      }
      const traffic = this.#options.traffic?.(poolKey)
      if (traffic !== undefined) {
        line.demand = estimateDemand(line.demand, traffic, this.#now())
      }
      isOther = this.#plan(poolKey, line) || isOther
    }
    if (isOther) {
      this.#options.onChange()
    }
  }

  /**
   * I12: whether anything may be said of a pool. The past is what its replicas have, so after a start nothing is planned,
   * judged or told before each of them was heard; with another plan than theirs they would load all anew.
   */
  mayJudge(poolKey: string, replicas: readonly ReplicaState[]): boolean {
    const line = this.#lineOf(poolKey)
    const waitedMs = this.#now() - line.sinceMs
    line.isOpen ||= waitedMs >= hearMs || replicas.every(({ isHeard }) => isHeard !== false)
    if (!line.isOpen) {
      this.#lookAgainIn(hearMs - waitedMs)
    }
    return line.isOpen
  }

  /**
   * After every pass's plans of adapters, and before anybody is told of them. True: hosts are others now, so the plans have
   * to be made again.
   */
  settle(
    snapshot: ResourceSnapshot,
    wanted: ReadonlyMap<string, readonly WantedRevision[]>,
    groups: ReadonlyMap<string, ReplicaGroup>,
  ): boolean {
    let isOther = false
    for (const [poolKey, pool] of snapshot.pools) {
      const line = this.#lineOf(poolKey)
      if (!line.isOpen) {
        continue
      }
      const group = groups.get(poolKey)
      const needsPlan = line.residency.take(wanted.get(poolKey) ?? [], {
        replicas: group?.replicas ?? [],
        identity: group?.identity,
        capacity: pool.spec.lora.maxCpuLoras,
      })
      if (needsPlan === 'Now' || (needsPlan === 'Soon' && this.#isDue(line))) {
        isOther = this.#plan(poolKey, line) || isOther
      } else if (needsPlan === 'Soon') {
        this.#lookAgainIn(planAgainMs)
      }
    }
    for (const poolKey of this.#lines.keys()) {
      if (!snapshot.pools.has(poolKey)) {
        this.#lines.delete(poolKey)
      }
    }
    return isOther
  }

  #lookAgainIn(delayMs: number): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined
      this.#options.onChange()
    }, delayMs).unref()
  }

  #lineOf(poolKey: string): Line {
    const known = this.#lines.get(poolKey)
    if (known !== undefined) {
      return known
    }
    const line: Line = {
      residency: new PoolResidency(),
      sinceMs: this.#now(),
      isOpen: false,
      demand: undefined,
      costs: undefined,
      plannedAtMs: -Infinity,
    }
    this.#lines.set(poolKey, line)
    return line
  }

  #isDue(line: Line): boolean {
    return this.#now() - line.plannedAtMs >= planAgainMs
  }

  #plan(poolKey: string, line: Line): boolean {
    line.plannedAtMs = this.#now()
    line.costs = this.#options.costs?.(poolKey) ?? line.costs
    return line.residency.plan(line.demand, line.costs, line.plannedAtMs)
  }
}
