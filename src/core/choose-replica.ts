import { routeCost, type EngineCosts, type RouteAsk, type RouteReplica } from './route-cost.ts'

/** What a request would find at one replica. Whoever counts there keeps one and writes it anew: a choice makes no garbage. */
export interface RouteOption extends RouteReplica, RouteAsk {
  /** Of near equals the least goes first; every gateway has an order of its own, so that they do not all go to one. */
  readonly rank: number
}

export interface RouteRule {
  /** Undefined: nothing is known of these engines yet. */
  readonly costs: EngineCosts | undefined
  /** What costs at most so much more than the least, as a part of it, is as good; 0 where no other gateway chooses. */
  readonly nearness: number
}

/** Where a request costs least; undefined where there is no option. */
export function chooseReplica<T extends RouteOption>(
  options: readonly T[],
  { costs, nearness }: RouteRule,
): T | undefined {
  let least = Number.POSITIVE_INFINITY
  for (const option of options) {
    least = Math.min(least, optionCost(option, costs))
  }
  const most = least * (1 + nearness)
  let best: T | undefined
  for (const option of options) {
    if (
      optionCost(option, costs) <= most &&
      (best === undefined || isBefore(option, best, nearness))
    ) {
      best = option
    }
  }
  return best
}

/** In milliseconds where costs are known; else in a unit of its own, only to be compared. */
export function optionCost(option: RouteOption, costs: EngineCosts | undefined): number {
  return costs === undefined ? product(option) : routeCost(costs, option, option)
}

/**
 * LMetric's rule (OSDI'26, arXiv:2603.15202), which has no constants: prompt tokens to read there before the first token
 * comes, by requests in flight. An adapter that is not active there counts as a request more: the least that any engine
 * was seen to take for one. An engine reads a token of each prompt at least, cached or not.
 */
function product(option: RouteOption): number {
  const further = option.isActive ? 0 : 1
  return (option.uncachedTokens + option.queuedPromptTokens + 1) * (option.inFlight + 1 + further)
}

/** Of two that are as good: where the adapter is active already, then by rank; a gateway alone takes the first. */
function isBefore(option: RouteOption, best: RouteOption, nearness: number): boolean {
  if (option.isActive !== best.isActive) {
    return option.isActive
  }
  return nearness > 0 && option.rank < best.rank
}
