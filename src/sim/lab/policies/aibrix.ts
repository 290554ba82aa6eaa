import type { RoutePolicy } from '../policy.ts'
import { leastBy, sendTo } from './choose.ts'

const bucketTokens = 100
const noise = 0.1

/** A tenant's tokens stand for a replica's number; nearness and load are summed, with some noise. */
export function vtcBasic(): RoutePolicy {
  const tokens = new Map<string, number>()
  return {
    name: 'vtc-basic',
    source: 'AIBrix, pkg/plugins/gateway/algorithms/vtc/vtc_basic.go',
    isPlanned: false,
    route(request, { replicas, random }) {
      const { tenant } = request.entry
      const used = tokens.get(tenant) ?? 0
      tokens.set(tenant, used + request.promptTokens + 2 * request.expectedOutput)
      const wanted = Math.min(replicas.length - 1, used / bucketTokens)
      return sendTo(
        leastBy(
          replicas,
          ({ index, inFlight }) =>
            Math.abs(index - wanted) / replicas.length + inFlight / 100 + random.next() * noise,
        ),
      )
    },
  }
}
