import type { Scrape } from './lab-replica.ts'

/** What a scaling rule may look at. Counters run from the start of the tape. */
export interface ScaleView {
  readonly nowMs: number
  /** Requests without a place in a batch, at the gateway and in engines. */
  readonly waiting: number
  readonly running: number
  readonly arrivals: number
  /** Prompt tokens of requests that arrived. */
  readonly inputTokens: number
  /** Tokens of answers that ended. */
  readonly outputTokens: number
  /** Asked for and not leaving: those that serve and those that start. */
  readonly ordered: number
  readonly ready: number
  /** When those that start will serve, as far as their cold start tells; milliseconds of virtual time. */
  readonly pendingReadyMs: readonly number[]
  /** Distinct adapters in flight on each replica that serves, summed. */
  readonly activeAdapters: number
  /** Each serving engine's own metrics. */
  readonly engines: () => readonly Scrape[]
}

/** A rule that says how many replicas there should be. */
export interface ScalePolicy {
  readonly name: string
  /** Where the rule comes from. */
  readonly source: string
  /** Between two turns of it. */
  readonly everyMs: number
  /** It is also asked so long after a request came to a fleet of none; absent: not before its turn. */
  readonly wakeMs?: number
  decide(view: ScaleView): number
}
