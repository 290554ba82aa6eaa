import type { Harm } from './adapter-caches.ts'
import type { LatencyProfile } from './profile.ts'
import type { StepWork } from './step-cost.ts'

export interface ModelOptions {
  readonly profile: LatencyProfile
  /** GPU slots: distinct adapters among running requests. */
  readonly maxLoras: number
  /** Adapters in host memory, those in slots included. */
  readonly maxCpuLoras: number
  readonly maxNumSeqs: number
  /** Prompt and output tokens that one step computes at most. */
  readonly maxNumBatchedTokens: number
  /** KV cache in tokens, slots already taken off. */
  readonly kvTokens: number
}

/** An adapter as the front end knows it: vLLM's int id is never used twice, not even for the same name. */
export interface ModelAdapter {
  readonly id: number
  readonly name: string
  readonly path: string
}

export interface ModelRequest {
  /** Undefined: the base, which takes no slot. */
  readonly adapter: ModelAdapter | undefined
  readonly promptTokens: number
  /** Tokens it will generate, the end token included; at least 1. Read at every token, so it may become known late. */
  readonly outputTokens: number
  /** Chained hashes of the prompt's full KV blocks, see PrefixCache. */
  readonly blocks: readonly number[]
}

/** One request inside the engine. Times are milliseconds of the caller's clock. */
export interface Sequence<R extends ModelRequest> {
  readonly request: R
  readonly arrivedMs: number
  /** First scheduled; undefined while it waits. */
  readonly startedMs: number | undefined
  readonly firstTokenMs: number | undefined
  readonly generated: number
  readonly cachedTokens: number
  /** Its KV blocks carry another request's bad values: its answer is garbage. */
  readonly garbled: boolean
  readonly preemptions: number
}

/** What the model tells. Called from within `submit`, `advance`, `load` and `adapterRead`; may call `abort`. */
export interface ModelListener<R extends ModelRequest> {
  /** First time in a batch; from now on its adapter's weights are in the engine. */
  started(sequence: Sequence<R>, nowMs: number): void
  /** A step begins, with this work, and will last so long. */
  stepping?(work: StepWork, nowMs: number, durationMs: number): void
  /** One more token, `generated` in all; `last` when it was the end. */
  token(sequence: Sequence<R>, nowMs: number, last: boolean): void
  /** Weights are needed from `adapter.path`. The engine stands still until `adapterRead`. */
  readAdapter(adapter: ModelAdapter): void
  /** A `load` is done: the adapter is in host memory and in a slot. */
  loaded(adapter: ModelAdapter, nowMs: number): void
  /** A step ended: the moment vLLM refreshes its gauges. */
  stepped(nowMs: number): void
  /** The engine is dead; so are these requests. */
  died(requests: readonly R[], nowMs: number): void
}

export type ReadOutcome =
  | { readonly outcome: 'Read'; readonly harm: Harm }
  | { readonly outcome: 'Failed' }

export interface ModelGauges {
  readonly running: number
  /** Waiting for room. */
  readonly waiting: number
  /** Waiting for a LoRA slot. */
  readonly deferred: number
  /** 0–1. */
  readonly kvCacheUsage: number
  readonly preemptions: number
  readonly prefixQueries: number
  readonly prefixHits: number
}
