import { h100Llama8b } from './h100-llama-8b.ts'
import type { LatencyProfile } from './latency-profile.ts'

/**
 * As h100Llama8b at `max_lora_rank` 32, fitted on half of the runs at that rank, slots as there; error on the other half: TPOT 8.8 %
 * stable, 5.3 % queueing, 6.6 % saturated (31 runs). Loads: host to slot as fitted (6.4 to 8.1 measured), 141 ms disk to host.
 */
export const h100Llama8bRank32: LatencyProfile = {
  ...h100Llama8b,
  name: 'h100-llama-8b-rank-32',
  stepMs: 13.56,
  perAdapterMs: 0.5405,
  perAdapterRequestMs: 0,
  perSlotMs: 0.019_03,
  perAdapterSlotMs: 0.000_328,
  perPrefillTokenMs: 0.072_39,
  perSkippedMs: 0.000_617,
  hostToSlotMs: 6.061,
  diskToHostMs: 141,
}
