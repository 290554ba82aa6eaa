import { h100Llama8bRank32 } from './profiles/h100-llama-8b-rank-32.ts'
import { h100Llama8b } from './profiles/h100-llama-8b.ts'
import { h100Qwen7bRank32 } from './profiles/h100-qwen-7b-rank-32.ts'
import { h100Qwen7b } from './profiles/h100-qwen-7b.ts'
import type { LatencyProfile } from './profiles/latency-profile.ts'

export { h100Llama8b, type LatencyProfile }

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

export const profiles: readonly LatencyProfile[] = [
  h100Llama8b,
  h100Llama8bRank32,
  h100Qwen7b,
  h100Qwen7bRank32,
  tiny,
  instant,
]

export function profileNamed(name: string): LatencyProfile | undefined {
  return profiles.find((profile) => profile.name === name)
}
