import type { LabReplica } from './lab-replica.ts'

/** Told once a second of virtual time how a fleet is. */
export interface LabObserver {
  /** @param replicas those that take requests; `waitingAtGateway` requests have none yet */
  observe(nowMs: number, replicas: readonly LabReplica[], waitingAtGateway: number): void
}
