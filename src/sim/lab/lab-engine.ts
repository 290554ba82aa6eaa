import type { EngineCosts } from '../../core/route-cost.ts'
import type { ModelOptions } from '../model-types.ts'
import type { LatencyProfile } from '../profile.ts'

export interface LabEngineOptions {
  readonly profile: LatencyProfile
  readonly maxLoras: number
  readonly maxCpuLoras: number
  readonly maxLoraRank: number
  readonly maxNumSeqs: number
  readonly maxNumBatchedTokens: number
}

/** One replica of the lab: slots cost KV cache, as they do in vLLM. */
export function labEngine({ maxLoraRank, ...options }: LabEngineOptions): ModelOptions {
  const { profile, maxLoras, maxNumBatchedTokens } = options
  const reserved = profile.kvTokensPerSlotRank * maxLoras * maxLoraRank
  return { ...options, kvTokens: Math.max(maxNumBatchedTokens, profile.kvTokens - reserved) }
}

/** What a router may know of it: the profile's own constants, the slots' cost in the step's. */
export function labCosts({ profile, maxLoras }: ModelOptions): EngineCosts {
  return {
    stepMs: profile.stepMs + profile.perSlotMs * maxLoras,
    perRequestMs: profile.perRequestMs,
    perAdapterMs: profile.perAdapterMs + (profile.perAdapterSlotMs ?? 0) * maxLoras,
    perPromptTokenMs: profile.perPrefillTokenMs,
    loadMs: profile.diskToHostMs + profile.hostToSlotMs,
  }
}
