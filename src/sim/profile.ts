/**
 * What a step of the engine costs, in milliseconds and tokens. Only numbers: the form is fixed in model.ts as
 * `stepMs + perRequestMs·B + perAdapterMs·A + perSlotMs·S + perPrefillTokenMs·(prefill tokens beyond freePrefillTokens)`,
 * B running requests, A distinct adapters among them, S = max_loras.
 */
export interface LatencyProfile {
  readonly name: string
  readonly stepMs: number
  readonly perRequestMs: number
  readonly perAdapterMs: number
  /** For each running request and distinct adapter: kernels go over both. */
  readonly perAdapterRequestMs?: number
  readonly perSlotMs: number
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

/**
 * Llama-3.1-8B in bf16 on one H100 (64 GB). Step: fitted by replaying 101 public runs at rank 16 (F. Agulló et al.,
 * arXiv:2508.08343) in the lab; TPOT is off by 4.3 % on average in stable ones and 6.5 % in those that queue.
 * Loads: 6.4 ms host to slot, 92 ms disk to host at rank 16. KV: 302,000 tokens at 8 slots, 758 lost per rank-16 slot.
 */
export const h100Llama8b: LatencyProfile = {
  name: 'h100-llama-8b',
  stepMs: 12.9,
  perRequestMs: 0.044,
  perAdapterMs: 0.456,
  perAdapterRequestMs: 0.000_42,
  perSlotMs: 0.0195,
  perPrefillTokenMs: 0.055,
  freePrefillTokens: 0,
  hostToSlotMs: 6.4,
  diskToHostMs: 92,
  kvTokens: 308_000,
  kvTokensPerSlotRank: 47,
}

/** A model of a few million parameters: quick enough for tests, slow enough that streams overlap and slots contend. */
export const tiny: LatencyProfile = {
  name: 'tiny',
  stepMs: 4,
  perRequestMs: 0.01,
  perAdapterMs: 0.1,
  perSlotMs: 0,
  perPrefillTokenMs: 0.001,
  freePrefillTokens: 128,
  hostToSlotMs: 1,
  diskToHostMs: 5,
  kvTokens: 262_144,
  kvTokensPerSlotRank: 8,
}

/** Takes no time at all: an answer is there as soon as it is asked for. For load tests of what stands in front. */
export const instant: LatencyProfile = {
  name: 'instant',
  stepMs: 0,
  perRequestMs: 0,
  perAdapterMs: 0,
  perSlotMs: 0,
  perPrefillTokenMs: 0,
  freePrefillTokens: 128,
  hostToSlotMs: 0,
  diskToHostMs: 0,
  kvTokens: 4_194_304,
  kvTokensPerSlotRank: 0,
}

export const profiles: readonly LatencyProfile[] = [h100Llama8b, tiny, instant]

export function profileNamed(name: string): LatencyProfile | undefined {
  return profiles.find((profile) => profile.name === name)
}
