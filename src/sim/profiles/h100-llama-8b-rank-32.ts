import { h100Llama8b } from './h100-llama-8b.ts'
import type { LatencyProfile } from './latency-profile.ts'

/**
 * As h100Llama8b at `max_lora_rank` 32, fitted on half of the runs at that rank; error on the other half: TPOT 6.7 % stable,
 * 8.0 % queueing, 5.5 % saturated (10 runs). Loads: 9 ms host to slot as fitted (6.4 to 8.1 measured), 141 ms disk to host.
 */
export const h100Llama8bRank32: LatencyProfile = {
  ...h100Llama8b,
  name: 'h100-llama-8b-rank-32',
  stepMs: 13.67,
  perAdapterMs: 0.5155,
  perAdapterRequestMs: 0.000_01,
  perSlotMs: 0.0165,
  perAdapterSlotMs: 0,
  perPrefillTokenMs: 0.074,
  perSkippedMs: 0.000_02,
  hostToSlotMs: 9,
  diskToHostMs: 141,
}
