import type { LatencyProfile } from './latency-profile.ts'

/**
 * Qwen-2.5-7B in bf16 on one H100 (64 GB), `max_lora_rank` 16: fitted as h100Llama8b is, on half of the same source's runs of
 * this model. Loads: 17 ms disk to host. KV: 694,848 tokens at 8 slots, 526,992 at 128.
 */
export const h100Qwen7b: LatencyProfile = {
  name: 'h100-qwen-7b',
  stepMs: 12.33,
  perRequestMs: 0.0438,
  perAdapterMs: 0.352,
  perAdapterRequestMs: 0.000_707,
  perSlotMs: 0.0361,
  perPrefillTokenMs: 0.0496,
  freePrefillTokens: 0,
  perSkippedMs: 0.001_945,
  hostToSlotMs: 6.4,
  diskToHostMs: 17,
  kvTokens: 706_500,
  kvTokensPerSlotRank: 88,
}
