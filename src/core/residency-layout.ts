import { rankReplicas } from './placement.ts'
import type { ResidencyAsk, ResidencyHost } from './residency-ask.ts'

/** Of a host cache, for what is loaded everywhere; the rest is for cold calls and vLLM's ghosts (a quarter, DESIGN 2.2). */
const share = 3 / 4
/** One that was planned by demand is loaded everywhere again only when it fits with this to spare. */
const returnShare = 0.9

export interface ResidencyLayout {
  /** All that is promised may be loaded wherever it may be. */
  readonly fits: boolean
  /** Adapters that each replica would have then. */
  readonly counts: readonly number[]
}

/**
 * Whether a pool needs a plan at all. While every promised adapter fits into the host cache of every replica that may have
 * it, loaded everywhere is the best plan: a loaded adapter that nobody calls costs host memory and one canary, and it is
 * the router that decides where an adapter is active, which is what costs time.
 */
export function layOut(
  asks: readonly ResidencyAsk[],
  hosts: readonly ResidencyHost[],
  didFit: boolean | undefined,
): ResidencyLayout {
  const promised = asks.filter(({ least }) => least > 0)
  const narrow = promised.filter(({ most }) => most < hosts.length)
  const counts = hosts.map(() => promised.length - narrow.length)
  const indexOf = new Map(hosts.map(({ name }, index) => [name, index]))
  for (const { revision, most } of narrow) {
    for (const name of rankReplicas(revision, hosts).slice(0, most)) {
      const host = indexOf.get(name) ?? 0
      counts[host] = (counts[host] ?? 0) + 1
    }
  }
  const part = didFit === false ? share * returnShare : share
  return { fits: counts.every((count, at) => count <= (hosts[at]?.capacity ?? 0) * part), counts }
}
