import type { LabReplica } from './lab-replica.ts'

/** One replica of a fleet, from its order to its end; times are milliseconds of virtual time. */
export interface FleetMember {
  readonly replica: LabReplica
  readonly orderedMs: number
  readonly upMs: number
  stage: 'Starting' | 'Loading' | 'Serving' | 'Leaving' | 'Gone'
  /** Infinite until then. */
  goneMs: number
}

/** Who goes: one that serves nobody yet, then the least busy; the youngest of equals. */
export function victimOf(members: readonly FleetMember[]): FleetMember | undefined {
  return members
    .filter(({ stage }) => stage !== 'Leaving')
    .toSorted(
      (left, right) =>
        Number(left.stage === 'Serving') - Number(right.stage === 'Serving') ||
        left.replica.inFlight - right.replica.inFlight ||
        right.replica.index - left.replica.index,
    )[0]
}
