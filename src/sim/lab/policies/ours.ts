import { chooseReplica, type RouteOption } from '../../../core/choose-replica.ts'
import type { EngineCosts } from '../../../core/route-cost.ts'
import type { LabReplica } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'
import { load, send, wait, type RouteChoice, type RoutePolicy } from '../policy.ts'
import { LabResidency } from './lab-residency.ts'
import { PrefixIndex } from './prefix-index.ts'

/**
 * What can be left out, to see what it is good for: the pace seen of replicas, what their caches have of a prompt, the cost
 * of a further adapter, places by demand (each is loaded where it is asked for, and goes when it was not for longest), and
 * the wait for a slot at the gateway (the engine's queue has it).
 */
export const oursParts = ['pace', 'prefixes', 'adapter-term', 'placement', 'gateway-queue'] as const

export interface OursOptions {
  /** Undefined: nothing is known of the engines, as after a start. */
  readonly costs: EngineCosts | undefined
  readonly without?: (typeof oursParts)[number]
}

interface Option extends RouteOption {
  readonly replica: LabReplica
}

/** The gateway's and the controller's own decisions. */
export function ours(options: OursOptions): RoutePolicy {
  const { without } = options
  const costs =
    options.costs !== undefined && without === 'adapter-term'
      ? { ...options.costs, perAdapterMs: 0 }
      : options.costs
  const prefixes = without === 'prefixes' ? undefined : new PrefixIndex()
  const residency = without === 'placement' ? undefined : new LabResidency(options.costs)
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
      seenStepMs: without === 'pace' ? undefined : replica.pace.at(nowMs),
      uncachedTokens: promptTokens * (1 - cached),
      outputTokens: request.expectedOutput,
    }
  }

  const note = (request: LabRequest): void => {
    sizes.requests += 1
    sizes.output += request.expectedOutput
    if (request.adapter !== undefined) {
      residency?.note(request)
    }
  }

  return {
    name: nameOf(options),
    source: sourceOf(options),
    isPlanned: true,
    route(request, view): RouteChoice {
      if (request.arrivedMs === view.nowMs) {
        note(request)
      }
      const { adapter } = request
      const holders = view.replicas.filter((replica) => replica.isResident(adapter))
      const open = holders.filter(
        (replica) =>
          without === 'gateway-queue' ||
          replica.inFlightOf(adapter) > 0 ||
          replica.slotsUsed < replica.slots,
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
    begin: residency && ((adapters, view) => residency.begin(adapters, view)),
    plan(view): void {
      const seen = view.replicas.flatMap(({ pace }) => pace.at(view.nowMs) ?? [])
      const paceMs = seen.reduce((sum, ms) => sum + ms, 0) / seen.length || (costs?.stepMs ?? 20)
      const outputTokens = sizes.output / Math.max(1, sizes.requests)
      residency?.plan(view, (outputTokens * paceMs) / 1000)
    },
  }
}

function sourceOf({ costs, without }: OursOptions): string {
  const unknown = costs === undefined ? ', before engine costs are learned' : ''
  const missing = without === undefined ? '' : `, without its ${without.replace('-', ' ')}`
  return `core/choose-replica.ts and core/residency-moves.ts${unknown}${missing}`
}

function nameOf({ costs, without }: OursOptions): string {
  const parts = [
    costs === undefined ? '-uncalibrated' : '',
    without === undefined ? '' : `-no-${without}`,
  ]
  return `loraplex${parts.join('')}`
}
