import { h100Qwen7b } from './h100-qwen-7b.ts'
import type { LatencyProfile } from './latency-profile.ts'

/** As h100Qwen7b at `max_lora_rank` 32, fitted on half of the runs at that rank. Loads: 22 ms disk to host. */
export const h100Qwen7bRank32: LatencyProfile = {
  ...h100Qwen7b,
  name: 'h100-qwen-7b-rank-32',
  stepMs: 13.3,
  perAdapterMs: 0.34,
  perAdapterRequestMs: 0.000_35,
  perSlotMs: 0.045,
  perPrefillTokenMs: 0.065,
  perSkippedMs: 0.000_3,
  diskToHostMs: 22,
}
