import { h100Qwen7b } from './h100-qwen-7b.ts'
import type { LatencyProfile } from './latency-profile.ts'

/**
 * As h100Qwen7b at `max_lora_rank` 32, fitted on half of the runs at that rank; error on the other half: TPOT 3.4 % stable,
 * 7.1 % queueing, 4.8 % saturated (14 runs). Loads: 3 ms host to slot, 22 ms disk to host.
 */
export const h100Qwen7bRank32: LatencyProfile = {
  ...h100Qwen7b,
  name: 'h100-qwen-7b-rank-32',
  stepMs: 13.32,
  perAdapterMs: 0.46,
  perAdapterRequestMs: 0.000_27,
  perSlotMs: 0.008,
  perAdapterSlotMs: 0.000_99,
  perPrefillTokenMs: 0.0595,
  perSkippedMs: 0.000_36,
  hostToSlotMs: 3,
  diskToHostMs: 22,
}
