import type { LabReplica } from '../lab-replica.ts'
import type { RoutePolicy } from '../policy.ts'
import { leastBy, sendTo } from './choose.ts'
import { RecentSums } from './recent-sums.ts'

/** AIBrix's defaults: tokens of five minutes, a bucket of 1,000 tokens or more, a full replica runs 100 requests. */
const windowMs = 300_000
const leastBucket = 1000
const mostBucket = 8000
const fullRequests = 100
const noise = 0.1

/**
 * A tenant's tokens of the last minutes stand for a replica's number, clamped; nearness to it and load are summed, with
 * some noise. Output counts twice.
 */
export function vtcBasic(): RoutePolicy {
  const tokens = new RecentSums(windowMs)
  return {
    name: 'vtc-basic',
    source: 'AIBrix v0.7, pkg/plugins/gateway/algorithms/vtc/vtc_basic.go',
    isPlanned: false,
    route(request, { replicas, random, nowMs }) {
      const { tenant } = request.entry
      const sums = tokens.sums(nowMs)
      const used = sums.get(tenant) ?? 0
      const wanted = Math.min(replicas.length - 1, used / bucketOf(sums))
      const scoreOf = (replica: LabReplica, at: number): number =>
        Math.abs(at - wanted) +
        Math.min(1, replica.scrape(nowMs).running / fullRequests) +
        random.next() * noise
      const scores = new Map(replicas.map((replica, at) => [replica, scoreOf(replica, at)]))
      tokens.add(tenant, request.promptTokens + 2 * request.expectedOutput, nowMs)
      return sendTo(leastBy(replicas, (replica) => scores.get(replica) ?? 0))
    },
  }
}

function bucketOf(sums: ReadonlyMap<string, number>): number {
  let least = Infinity
  let most = -Infinity
  for (const sum of sums.values()) {
    least = Math.min(least, sum)
    most = Math.max(most, sum)
  }
  const middle = sums.size === 0 ? (leastBucket + mostBucket) / 2 : (least + most) / 2
  return Math.max(leastBucket, middle)
}
