import { planCopies, type AdapterDemand, type CopiesPlan } from '../../../core/copies-plan.ts'
import { routeCost, type EngineCosts } from '../../../core/route-cost.ts'
import { hashWords } from './hash-words.ts'
import type { LabReplica } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'
import { send, wait, type RouteChoice, type RoutePolicy, type RouteView } from '../policy.ts'

export interface OursOptions {
  readonly costs: EngineCosts
  readonly slack?: number
  readonly copyShare?: number
}

/** The rates of the last minutes, forgotten by half every minute. */
class Rates {
  readonly #counts = new Map<number, number>()
  #sinceMs = 0

  note(adapter: number): void {
    this.#counts.set(adapter, (this.#counts.get(adapter) ?? 0) + 1)
  }

  read(nowMs: number): readonly AdapterDemand[] {
    const seconds = Math.max(1, (nowMs - this.#sinceMs) / 1000)
    return [...this.#counts].map(([adapter, count]) => ({ adapter, rate: count / seconds }))
  }
}

/** Adapters at few replicas, by plan; requests where they cost everybody least. */
export function ours(options: OursOptions): RoutePolicy {
  const { costs, slack = 0.1, copyShare = 0.5 } = options
  const rates = new Rates()
  let plan: CopiesPlan = new Map()
  const ranks = new Map<string, readonly number[]>()
  const ranked = (adapter: number, count: number): readonly number[] => {
    const key = `${adapter}/${count}`
    const known = ranks.get(key)
    if (known !== undefined) {
      return known
    }
    const order = Array.from({ length: count }, (_, index) => index).sort(
      (left, right) => hashWords(adapter, left) - hashWords(adapter, right),
    )
    ranks.set(key, order)
    return order
  }
  const costOf = (request: LabRequest, replica: LabReplica): number =>
    routeCost(
      costs,
      {
        inFlight: replica.inFlight,
        queuedPromptTokens: replica.queuedPromptTokens,
        remainingTokens: replica.expectedTokens,
        slotsUsed: replica.slotsUsed,
        isActive: request.adapter === undefined || replica.inFlightOf(request.adapter) > 0,
        needsLoad: false,
      },
      { uncachedTokens: request.promptTokens, outputTokens: request.expectedOutput },
    )
  return {
    name: 'loraplex',
    source: 'core/route-cost.ts and core/copies-plan.ts',
    isPlanned: true,
    route(request, view): RouteChoice {
      const { adapter } = request
      if (adapter !== undefined && request.replica === -1 && request.arrivedMs === view.nowMs) {
        rates.note(adapter.id)
      }
      const hosts = adapter === undefined ? undefined : plan.get(adapter.id)
      let best: LabReplica | undefined
      let bestCost = Infinity
      for (const replica of view.replicas) {
        if (hosts !== undefined && !hosts.includes(replica.index)) {
          continue
        }
        const isActive = adapter === undefined || replica.inFlightOf(adapter) > 0
        if (!isActive && replica.slotsUsed >= replica.slots) {
          continue
        }
        const cost = costOf(request, replica)
        if (cost < bestCost) {
          bestCost = cost
          best = replica
        }
      }
      return best === undefined ? wait : send(best)
    },
    plan({ nowMs, replicas }): void {
      const demands = rates.read(nowMs)
      const work = (costs.perRequestMs + costs.perPromptTokenMs) * 200
      plan = planCopies(demands, {
        replicas: replicas.length,
        ranked: (adapter) => ranked(adapter, replicas.length),
        requestWork: work,
        adapterWork: (rate) => costs.perAdapterMs * (1 - Math.exp(-rate * 200 * 0.05)) * 20,
        slack,
        copyShare,
      })
    },
  }
}
