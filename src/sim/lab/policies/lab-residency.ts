import { estimateDemand, isKnown, type DemandMemory } from '../../../core/adapter-demand.ts'
import type { KeptCopies } from '../../../core/residency-ask.ts'
import { planMoves } from '../../../core/residency-moves.ts'
import type { EngineCosts } from '../../../core/route-cost.ts'
import type { ModelAdapter } from '../../model-types.ts'
import type { LabReplica } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'
import type { RouteView } from '../policy.ts'

/** Until requests were seen. */
const assumedResidenceSeconds = 5

/** The controller's part: which adapters are in which host memory. Where all fit, all are everywhere. */
export class LabResidency {
  #adapters: ReadonlyMap<string, ModelAdapter> = new Map()
  #arrivals = new Map<string, number>()
  #memory: DemandMemory | undefined
  #kept: KeptCopies = new Map()
  readonly #costs: EngineCosts | undefined

  constructor(costs: EngineCosts | undefined) {
    this.#costs = costs
  }

  /** As a fleet that was told of all of them before anybody called. */
  begin(adapters: readonly ModelAdapter[], view: RouteView): void {
    this.#adapters = new Map(adapters.map((adapter) => [adapter.name, adapter]))
    if (this.#fits(view)) {
      view.replicas.forEach((replica) => adapters.forEach((adapter) => replica.preload(adapter)))
      return
    }
    this.#decide(view, assumedResidenceSeconds)
    this.#eachWanted(view, (adapter, replica) => replica.preload(adapter))
  }

  note({ adapter }: LabRequest): void {
    if (adapter !== undefined) {
      this.#arrivals.set(adapter.name, (this.#arrivals.get(adapter.name) ?? 0) + 1)
    }
  }

  plan(view: RouteView, residenceSeconds: number): void {
    if (!this.#fits(view)) {
      this.#decide(view, residenceSeconds)
      this.#eachWanted(view, (adapter, replica) => replica.order(adapter, view.nowMs))
    }
  }

  #fits({ replicas }: RouteView): boolean {
    return replicas.every(({ hostCapacity }) => this.#adapters.size <= hostCapacity)
  }

  #eachWanted(
    { replicas }: RouteView,
    use: (adapter: ModelAdapter, replica: LabReplica) => void,
  ): void {
    for (const replica of replicas) {
      for (const adapter of this.#adapters.values()) {
        if (replica.wanted.has(adapter.id)) {
          use(adapter, replica)
        }
      }
    }
  }

  #decide({ replicas, nowMs }: RouteView, residenceSeconds: number): void {
    const traffic = [...this.#adapters].map(([name, adapter]) => {
      const open = replicas.reduce((sum, replica) => sum + replica.inFlightOf(adapter), 0)
      return [name, { arrivals: this.#arrivals.get(name) ?? 0, open }] as const
    })
    this.#arrivals = new Map()
    this.#memory = estimateDemand(this.#memory, new Map(traffic), nowMs)
    const most = replicas.length
    // One copy is promised, as `residency.minCopies` does by default.
    const asks = [...this.#adapters.keys()].map((revision) => {
      const { rate, open } = this.#memory?.revisions.get(revision) ?? { rate: 0, open: 0 }
      return { revision, least: 1, most, rate, open }
    })
    const hosts = replicas.map((replica) => ({
      name: replica.name,
      isLeaving: replica.isLeaving,
      capacity: replica.hostCapacity,
      holds: (name: string) => {
        const adapter = this.#adapters.get(name)
        return adapter !== undefined && (replica.isResident(adapter) || replica.isLoading(adapter))
      },
    }))
    const { copies } = planMoves({
      asks,
      hosts,
      previous: this.#kept,
      nowMs,
      isDemandKnown: isKnown(this.#memory),
      residenceSeconds,
      costs: this.#costs,
    })
    this.#kept = copies
    const wanted = new Map(replicas.map(({ name }) => [name, new Set<number>()]))
    for (const [name, places] of copies) {
      for (const { replica } of places) {
        wanted.get(replica)?.add(this.#adapters.get(name)?.id ?? 0)
      }
    }
    for (const replica of replicas) {
      replica.wanted = wanted.get(replica.name) ?? new Set()
    }
  }
}
