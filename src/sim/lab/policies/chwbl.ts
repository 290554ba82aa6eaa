import type { LabReplica } from '../lab-replica.ts'
import type { LabRequest } from '../lab-request.ts'
import type { RoutePolicy } from '../policy.ts'
import { sendTo } from './choose.ts'
import { hashWords } from './hash-words.ts'

const virtualNodes = 256
const meanFactor = 1.25

interface Point {
  readonly at: number
  readonly replica: LabReplica
}

/** Whether a replica has the adapter of a request. */
export type HasAdapter = (request: LabRequest, replica: LabReplica) => boolean

/**
 * A ring of 256 points a replica; from the adapter's place on, the first replica that has the adapter and at most 1.25 × the
 * mean load, the mean over all. None: the first that has it.
 *
 * @param hasAdapter KubeAI loads every adapter on every replica, so by default all have it
 */
export function chwbl(hasAdapter: HasAdapter = () => true): RoutePolicy {
  let ring: readonly Point[] = []
  let ringOf: readonly LabReplica[] = []
  return {
    name: 'chwbl',
    source: 'KubeAI, internal/loadbalancer/balance_chwbl.go: consistent hashing with bounded loads',
    isPlanned: false,
    route(request, { replicas }) {
      if (!isSame(ringOf, replicas)) {
        ring = ringFor(replicas)
        ringOf = [...replicas]
      }
      const inFlight = replicas.reduce((sum, replica) => sum + replica.inFlight, 0)
      const bound = ((inFlight + 1) / replicas.length) * meanFactor
      const start = indexFrom(ring, keyOf(request))
      let first: LabReplica | undefined
      for (let step = 0; step < ring.length; step += 1) {
        const replica = ring[(start + step) % ring.length]?.replica
        if (replica !== undefined && hasAdapter(request, replica)) {
          first ??= replica
          if (replica.inFlight <= bound) {
            return sendTo(replica)
          }
        }
      }
      return sendTo(first)
    },
  }
}

function isSame(left: readonly LabReplica[], right: readonly LabReplica[]): boolean {
  return left.length === right.length && left.every((replica, index) => replica === right[index])
}

function ringFor(replicas: readonly LabReplica[]): readonly Point[] {
  return replicas
    .flatMap((replica) =>
      Array.from({ length: virtualNodes }, (_, node) => ({
        at: hashWords(replica.index + 1, node),
        replica,
      })),
    )
    .sort((left, right) => left.at - right.at)
}

/** The adapter and the first characters of the conversation; tapes without blocks have the adapter alone. */
function keyOf({ adapter, blocks }: LabRequest): number {
  return hashWords(adapter?.id ?? 0, blocks[0] ?? 0)
}

function indexFrom(ring: readonly Point[], at: number): number {
  let low = 0
  let high = ring.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ring[middle]?.at ?? 0) < at) {
      low = middle + 1
    } else {
      high = middle
    }
  }
  return low % Math.max(1, ring.length)
}
