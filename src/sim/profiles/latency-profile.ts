/**
 * What a step of the engine costs, in milliseconds, and how many tokens its KV cache holds. Only numbers: the form is that of
 * step-cost.ts, `stepMs + perRequestMs·B + perAdapterMs·A + perAdapterRequestMs·A·B + perSlotMs·S + perAdapterSlotMs·A·S +
 * perPrefillTokenMs·(prefill tokens beyond freePrefillTokens) + perSkippedMs·(requests skipped)`, B running requests, A distinct
 * adapters among them, S = max_loras.
 */
export interface LatencyProfile {
  readonly name: string
  readonly stepMs: number
  readonly perRequestMs: number
  readonly perAdapterMs: number
  /** For each running request and distinct adapter: kernels go over both. */
  readonly perAdapterRequestMs?: number
  readonly perSlotMs: number
  /** For each distinct adapter and slot: measured, runs with many slots take longer for the same adapters. */
  readonly perAdapterSlotMs?: number
  readonly perPrefillTokenMs: number
  /** Prefill tokens a step carries for nothing, because it is bound by reading the weights. */
  readonly freePrefillTokens: number
  /** For each waiting request that the scheduler walks over at every step because its adapter has no slot. */
  readonly perSkippedMs?: number
  /** Copy of one adapter from host memory into a GPU slot; stalls the step. */
  readonly hostToSlotMs: number
  /** Read of one adapter from its path into host memory; stalls the step. */
  readonly diskToHostMs: number
  /** KV cache in tokens before any LoRA slot is reserved. */
  readonly kvTokens: number
  /** KV tokens that one slot costs per rank of max_lora_rank. */
  readonly kvTokensPerSlotRank: number
}
