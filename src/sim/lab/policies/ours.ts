import { estimateDemand, type DemandMemory } from '../../../core/adapter-demand.ts'
import { chooseReplica, type RouteOption } from '../../../core/choose-replica.ts'
import type { KeptCopies } from '../../../core/residency-ask.ts'
import { planMoves } from '../../../core/residency-moves.ts'
import type { EngineCosts } from '../../../core/route-cost.ts'
import type { LabReplica } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'
import { load, send, wait, type RouteChoice, type RoutePolicy, type RouteView } from '../policy.ts'
import { PrefixIndex } from './prefix-index.ts'

/** What can be left out, to see what it is good for. */
export interface OursOptions {
  /** Undefined: nothing is known of the engines, as after a start. */
  readonly costs: EngineCosts | undefined
  readonly withSeenPace?: boolean
  readonly withPrefixes?: boolean
  /** No term for distinct adapters. */
  readonly isAdapterBlind?: boolean
}

interface Option extends RouteOption {
  readonly replica: LabReplica
}

/** The gateway's and the controller's own decisions. */
export function ours(options: OursOptions): RoutePolicy {
  const { withSeenPace = true, withPrefixes = true } = options
  const costs =
    options.costs !== undefined && options.isAdapterBlind === true
      ? { ...options.costs, perAdapterMs: 0 }
      : options.costs
  const prefixes = withPrefixes ? new PrefixIndex() : undefined
  const residency = new LabResidency(options.costs)
  const sizes = { requests: 0, output: 0 }

  const optionAt = (request: LabRequest, replica: LabReplica, nowMs: number): Option => {
    const { adapter, promptTokens } = request
    const cached = prefixes === undefined ? 0 : prefixes.matchOf(request, replica)
    return {
      replica,
      rank: replica.index,
      inFlight: replica.inFlight,
      queuedPromptTokens: replica.queuedPromptTokens,
      remainingTokens: replica.expectedTokens,
      beginnings: replica.beginnings,
      slotsUsed: replica.slotsUsed,
      isActive: adapter === undefined || replica.inFlightOf(adapter) > 0,
      needsLoad: !replica.isResident(adapter),
      seenStepMs: withSeenPace ? replica.pace.at(nowMs) : undefined,
      uncachedTokens: promptTokens * (1 - cached),
      outputTokens: request.expectedOutput,
    }
  }

  const note = (request: LabRequest): void => {
    sizes.requests += 1
    sizes.output += request.expectedOutput
    if (request.adapter !== undefined) {
      residency.note(request)
    }
  }

  return {
    name: nameOf(options),
    source: 'core/choose-replica.ts and core/residency-moves.ts',
    isPlanned: true,
    route(request, view): RouteChoice {
      if (request.arrivedMs === view.nowMs) {
        note(request)
      }
      const { adapter } = request
      const holders = view.replicas.filter((replica) => replica.isResident(adapter))
      const open = holders.filter(
        (replica) => replica.inFlightOf(adapter) > 0 || replica.slotsUsed < replica.slots,
      )
      const isBase = adapter === undefined
      const best = chooseReplica(
        (isBase ? view.replicas : open).map((replica) => optionAt(request, replica, view.nowMs)),
        { costs, nearness: 0 },
      )
      if (best !== undefined) {
        prefixes?.note(request, best.replica)
        return send(best.replica)
      }
      if (holders.length > 0 || isBase || view.replicas.some((one) => one.isLoading(adapter))) {
        return wait
      }
      const options = view.replicas.map((replica) => optionAt(request, replica, view.nowMs))
      const place = chooseReplica(options, { costs, nearness: 0 })
      return place === undefined ? wait : load(place.replica)
    },
    plan(view): void {
      const seen = view.replicas.flatMap(({ pace }) => pace.at(view.nowMs) ?? [])
      const paceMs = seen.reduce((sum, ms) => sum + ms, 0) / seen.length || (costs?.stepMs ?? 20)
      const outputTokens = sizes.output / Math.max(1, sizes.requests)
      residency.plan(view, (outputTokens * paceMs) / 1000)
    },
  }
}

function nameOf({ costs, ...options }: OursOptions): string {
  const parts = [
    costs === undefined ? 'uncalibrated' : '',
    options.withSeenPace === false ? 'no-pace' : '',
    options.withPrefixes === false ? 'no-prefixes' : '',
    options.isAdapterBlind === true ? 'no-adapter-term' : '',
  ].filter((part) => part !== '')
  return ['loraplex', ...parts].join('-')
}

/** The controller's part: which adapters are in which host memory. Where all fit, all are everywhere. */
class LabResidency {
  readonly #adapters = new Map<string, NonNullable<LabRequest['adapter']>>()
  #arrivals = new Map<string, number>()
  #memory: DemandMemory | undefined
  #kept: KeptCopies = new Map()
  readonly #costs: EngineCosts | undefined

  constructor(costs: EngineCosts | undefined) {
    this.#costs = costs
  }

  note({ adapter }: LabRequest): void {
    if (adapter !== undefined) {
      this.#adapters.set(adapter.name, adapter)
      this.#arrivals.set(adapter.name, (this.#arrivals.get(adapter.name) ?? 0) + 1)
    }
  }

  plan({ replicas, nowMs }: RouteView, residenceSeconds: number): void {
    if (replicas.every(({ hostCapacity }) => this.#adapters.size <= hostCapacity)) {
      return
    }
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
      for (const adapter of this.#adapters.values()) {
        if (replica.wanted.has(adapter.id)) {
          replica.order(adapter, nowMs)
        }
      }
    }
  }
}
