import type { LatencyProfile } from './latency-profile.ts'

/**
 * Llama-3.1-8B in bf16 on one H100 (64 GB), `max_lora_rank` 16. Steps: fitted on half of the public runs of F. Agulló et al.
 * (arXiv:2508.08343; vLLM of May 2025) by replays; `test/bars/lab-calibration.ts --fit` goes on from here, and without
 * `--fit` shows the error on the other half: TPOT 3.8 % stable, 4.9 % queueing, 7.6 % saturated (134 runs). Per request: the
 * authors' own fit of the base alone. Loads: host to slot as the fit left it (6.4 ms measured), 92 ms disk to host. KV:
 * 302,000 tokens at 8 slots, 758 lost with each slot.
 */
export const h100Llama8b: LatencyProfile = {
  name: 'h100-llama-8b',
  stepMs: 13.34,
  perRequestMs: 0.0438,
  perAdapterMs: 0.3897,
  perAdapterRequestMs: 0.000_234,
  perSlotMs: 0.019_03,
  perAdapterSlotMs: 0.000_328,
  perPrefillTokenMs: 0.074_73,
  freePrefillTokens: 128,
  perSkippedMs: 0.000_523,
  hostToSlotMs: 5.246,
  diskToHostMs: 92,
  kvTokens: 308_000,
  kvTokensPerSlotRank: 47,
}
