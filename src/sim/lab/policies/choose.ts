import type { LabReplica } from '../lab-replica.ts'
import { send, wait, type RouteChoice } from '../policy.ts'
import type { Random } from '../random.ts'

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

/** The replica with the fewest requests in flight; any of equals. */
export function leastBusy(replicas: readonly LabReplica[], random: Random): LabReplica | undefined {
  let best: LabReplica | undefined
  let equals = 0
  for (const replica of replicas) {
    if (best === undefined || replica.inFlight < best.inFlight) {
      best = replica
      equals = 1
    } else if (replica.inFlight === best.inFlight) {
      equals += 1
      // Each of the equals is kept with the same chance.
      best = random.next() * equals < 1 ? replica : best
    }
  }
  return best
}

export function sendTo(replica: LabReplica | undefined): RouteChoice {
  return replica === undefined ? wait : send(replica)
}
