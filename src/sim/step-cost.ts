import type { LatencyProfile } from './profiles/latency-profile.ts'

/** What one step has to do. */
export interface StepWork {
  /** Running requests. */
  readonly requests: number
  /** Distinct adapters among them. */
  readonly adapters: number
  /** `max_loras`. */
  readonly slots: number
  /** Prompt tokens computed in it. */
  readonly prefillTokens: number
  /** Waiting requests that the scheduler walked over because their adapters had no slot. */
  readonly skipped: number
  /** Adapters copied from host memory into a slot. */
  readonly copies: number
  /** Adapters read from their paths. */
  readonly reads: number
}

/** Milliseconds of a step; each constant is explained in LatencyProfile. */
export function stepMs(profile: LatencyProfile, work: StepWork): number {
  const { requests, adapters, slots, prefillTokens, skipped, copies, reads } = work
  return (
    profile.stepMs +
    profile.perRequestMs * requests +
    profile.perAdapterMs * adapters +
    (profile.perAdapterRequestMs ?? 0) * adapters * requests +
    profile.perSlotMs * slots +
    (profile.perAdapterSlotMs ?? 0) * adapters * slots +
    profile.perPrefillTokenMs * Math.max(0, prefillTokens - profile.freePrefillTokens) +
    (profile.perSkippedMs ?? 0) * skipped +
    profile.hostToSlotMs * copies +
    profile.diskToHostMs * reads
  )
}
