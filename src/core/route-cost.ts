/**
 * What work costs on an engine, in milliseconds. A step takes `stepMs + perRequestMs·B + perAdapterMs·A`, B running
 * requests, A distinct adapters among them. Source of the form: 89 public runs of vLLM with LoRA, mean error 2.3 %
 * (F. Agulló et al., arXiv:2508.08343; fitted anew).
 */
export interface EngineCosts {
  readonly stepMs: number
  readonly perRequestMs: number
  readonly perAdapterMs: number
  readonly perPromptTokenMs: number
  /** Disk to slot; every stream there stands still meanwhile. */
  readonly loadMs: number
}

/** One replica, as a gateway counts it. */
export interface RouteReplica {
  /** Requests there, from all gateways. */
  readonly inFlight: number
  /** Prompt tokens of requests there without a first token. */
  readonly queuedPromptTokens: number
  /** Tokens that requests there will still write, together. */
  readonly remainingTokens: number
  /** Requests there, of which `hasJustBegun` holds. */
  readonly beginnings: number
  /** Distinct adapters in flight there. */
  readonly slotsUsed: number
  /** The request's adapter is in flight there already: it takes no further slot. */
  readonly isActive: boolean
  /** The request's adapter has to be loaded first. */
  readonly needsLoad: boolean
  /**
   * Milliseconds between two tokens of a stream there, lately. It knows what counts do not: other gateways' prompts, a slow
   * GPU. Undefined: nothing was seen, the form of EngineCosts has to do.
   */
  readonly seenStepMs?: number | undefined
}

export interface RouteAsk {
  /** Prompt tokens that no cache there has. */
  readonly uncachedTokens: number
  /** Tokens that it will write, expected. */
  readonly outputTokens: number
}

/**
 * A millisecond before the first token, when there is nothing to read yet, counts as so many of an answer: about what a promise
 * of 1 s and 50 ms a token makes of it, which is 20. In the lab, from 5 to 40 nothing changes by more than a tenth; at 2 bursts of long
 * prompts get a fifth less through.
 */
const firstTokenWeight = 15

/**
 * What a prompt takes is late for every stream there. It breaks the promise of those that turn out short: to an answer of ten
 * tokens, 300 ms are 30 ms a token, and to one of a thousand nothing. Which these are is not known, but among those that have
 * just begun they are many, and later hardly any: one that has just begun counts as so many, the others not.
 */
const beginningWeight = 3
/** An answer has just begun until so much of what is expected of it is written. */
export const beginningPart = 1 / 8

/**
 * Of few streams, what was seen says little about the next, who may come when a prompt that slowed them is long read: with so
 * many requests there, it counts for half.
 */
const paceRequests = 4

/**
 * Milliseconds that a request costs everybody when it goes to this replica: its own time there, and what it adds to
 * the time of those that run there already, its prompt to those that it may hurt. All terms are time.
 */
export function routeCost(costs: EngineCosts, replica: RouteReplica, ask: RouteAsk): number {
  const { inFlight, remainingTokens, beginnings } = replica
  const { uncachedTokens, outputTokens } = ask
  const loadMs = replica.needsLoad ? costs.loadMs : 0
  const promptMs = uncachedTokens * costs.perPromptTokenMs
  const firstMs = replica.queuedPromptTokens * costs.perPromptTokenMs + promptMs + loadMs
  const addedMs = costs.perRequestMs + costs.perAdapterMs * (replica.isActive ? 0 : 1)
  const ownMs = outputTokens * (stepOf(costs, replica) + addedMs)
  // Those that end meanwhile are followed by others: as many tokens are late as are written in its own time.
  const lateTokens = Math.max(remainingTokens, inFlight * outputTokens)
  const othersMs = addedMs * lateTokens + loadMs * inFlight
  const beginningsMs = beginningWeight * promptMs * beginnings
  return firstTokenWeight * firstMs + ownMs + othersMs + beginningsMs
}

/** Of an answer of which so many tokens are still expected: hardly any is written. */
export function hasJustBegun(remainingTokens: number, expectedTokens: number): boolean {
  return remainingTokens > expectedTokens * (1 - beginningPart)
}

/** Milliseconds of a step before the request came. */
function stepOf(costs: EngineCosts, { seenStepMs, inFlight, slotsUsed }: RouteReplica): number {
  const formMs = costs.stepMs + costs.perRequestMs * inFlight + costs.perAdapterMs * slotsUsed
  if (seenStepMs === undefined) {
    return formMs
  }
  const trust = inFlight / (inFlight + paceRequests)
  return formMs + trust * (seenStepMs - formMs)
}
