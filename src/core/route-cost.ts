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
  /** Distinct adapters in flight there. */
  readonly slotsUsed: number
  /** The request's adapter is in flight there already: it takes no further slot. */
  readonly isActive: boolean
  /** The request's adapter has to be loaded first. */
  readonly needsLoad: boolean
}

export interface RouteAsk {
  /** Prompt tokens that no cache there has. */
  readonly uncachedTokens: number
  /** Tokens that it will write, expected. */
  readonly outputTokens: number
}

/**
 * Milliseconds that a request costs everybody when it goes to this replica: its own time there, and what it adds to
 * the time of those that run there already. No weights: all terms are time.
 */
export function routeCost(costs: EngineCosts, replica: RouteReplica, ask: RouteAsk): number {
  const { inFlight, slotsUsed } = replica
  const further = replica.isActive ? 0 : 1
  const loadMs = replica.needsLoad ? costs.loadMs : 0
  const promptMs = ask.uncachedTokens * costs.perPromptTokenMs
  const firstMs = replica.queuedPromptTokens * costs.perPromptTokenMs + promptMs + loadMs
  const stepMs =
    costs.stepMs + costs.perRequestMs * (inFlight + 1) + costs.perAdapterMs * (slotsUsed + further)
  const addedMs = costs.perRequestMs + costs.perAdapterMs * further
  const othersMs = addedMs * replica.remainingTokens + (promptMs + loadMs) * inFlight
  return firstMs + ask.outputTokens * stepMs + othersMs
}
