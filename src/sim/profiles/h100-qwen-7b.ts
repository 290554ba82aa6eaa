import type { LatencyProfile } from './latency-profile.ts'

/**
 * Qwen-2.5-7B in bf16 on one H100 (64 GB), `max_lora_rank` 16: fitted as h100Llama8b is, on half of the same source's runs of
 * this model; error on the other half: TPOT 4.6 % stable, 5.3 % queueing, 6.1 % saturated (129 runs). Loads: 1.8 ms host to
 * slot, 17 ms disk to host. KV: 694,848 tokens at 8 slots, 526,992 at 128.
 */
export const h100Qwen7b: LatencyProfile = {
  name: 'h100-qwen-7b',
  stepMs: 12.44,
  perRequestMs: 0.0438,
  perAdapterMs: 0.411,
  perAdapterRequestMs: 0.000_494,
  perSlotMs: 0.020_17,
  perAdapterSlotMs: 0.000_028,
  perPrefillTokenMs: 0.059_37,
  freePrefillTokens: 128,
  perSkippedMs: 0.000_366,
  hostToSlotMs: 1.752,
  diskToHostMs: 17,
  kvTokens: 706_500,
  kvTokensPerSlotRank: 88,
}
