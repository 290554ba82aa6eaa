import type { LabObserver } from './lab-observer.ts'
import type { LabReplica } from './lab-replica.ts'

/** A fleet at one moment. */
export interface TimelinePoint {
  readonly atMs: number
  /** Requests that wait for an engine, at the gateway or in one. */
  readonly waiting: number
  readonly running: number
  /** Distinct adapters among running requests a replica, mean. */
  readonly slotsUsed: number
  /** Replicas that take requests. */
  readonly replicas: number
}

/** Watches a run, a point a second. */
export class Timeline implements LabObserver {
  readonly #points: TimelinePoint[] = []

  get points(): readonly TimelinePoint[] {
    return this.#points
  }

  observe(nowMs: number, replicas: readonly LabReplica[], waitingAtGateway: number): void {
    let waiting = waitingAtGateway
    let running = 0
    let slots = 0
    for (const { model } of replicas) {
      const { gauges, runningAdapters } = model
      waiting += gauges.waiting + gauges.deferred
      running += gauges.running
      slots += runningAdapters.size
    }
    const count = replicas.length
    this.#points.push({
      atMs: nowMs,
      waiting,
      running,
      slotsUsed: slots / Math.max(1, count),
      replicas: count,
    })
  }
}
