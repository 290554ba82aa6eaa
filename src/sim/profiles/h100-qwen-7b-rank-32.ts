import { h100Qwen7b } from './h100-qwen-7b.ts'
import type { LatencyProfile } from './latency-profile.ts'

/**
 * As h100Qwen7b at `max_lora_rank` 32, fitted on half of the runs at that rank, slots as there; error on the other half: TPOT 5.9 %
 * stable, 4.8 % queueing, 5.4 % saturated (44 runs). Loads: 1.4 ms host to slot, 22 ms disk to host.
 */
export const h100Qwen7bRank32: LatencyProfile = {
  ...h100Qwen7b,
  name: 'h100-qwen-7b-rank-32',
  stepMs: 14.55,
  perAdapterMs: 0.3712,
  perAdapterRequestMs: 0.000_666,
  perSlotMs: 0.020_17,
  perAdapterSlotMs: 0.000_028,
  perPrefillTokenMs: 0.054_62,
  perSkippedMs: 0.001_201,
  hostToSlotMs: 1.359,
  diskToHostMs: 22,
}
