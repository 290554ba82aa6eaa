import type { LabReplica } from '../lab-replica.ts'
import { send, wait, type RouteChoice } from '../policy.ts'

/** The replica with the least value; the first of equals. */
export function leastBy(
  replicas: readonly LabReplica[],
  valueOf: (replica: LabReplica) => number,
): LabReplica | undefined {
  let best: LabReplica | undefined
  let bestValue = Infinity
  for (const replica of replicas) {
    const value = valueOf(replica)
    if (value < bestValue) {
      best = replica
      bestValue = value
    }
  }
  return best
}

export function sendTo(replica: LabReplica | undefined): RouteChoice {
  return replica === undefined ? wait : send(replica)
}
