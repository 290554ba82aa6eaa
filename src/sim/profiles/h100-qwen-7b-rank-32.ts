import { h100Qwen7b } from './h100-qwen-7b.ts'
import type { LatencyProfile } from './latency-profile.ts'

/** As h100Qwen7b at `max_lora_rank` 32, fitted on half of the runs at that rank. Loads: 22 ms disk to host. */
export const h100Qwen7bRank32: LatencyProfile = {
  ...h100Qwen7b,
  name: 'h100-qwen-7b-rank-32',
  stepMs: 13.98,
  perAdapterMs: 0.3041,
  perAdapterRequestMs: 0.000_766,
  perSlotMs: 0.0602,
  perPrefillTokenMs: 0.0495,
  perSkippedMs: 0.001_063,
  diskToHostMs: 22,
}
