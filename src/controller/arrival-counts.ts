import type { RevisionTraffic } from '../core/adapter-demand.ts'
import type { DemandMessage } from '../api/gateway-protocol.ts'

type Pools = DemandMessage['pools']

/** What came by pool and revision, from the counters of any number of gateways, whose processes start over at zero. */
export class ArrivalCounts {
  readonly #said = new Map<string, Pools>()
  readonly #came = new Map<string, Map<string, number>>()

  /** A gateway's counters; the first ones of a process say nothing of when. */
  take(gateway: string, pools: Pools): void {
    const before = this.#said.get(gateway)
    this.#said.set(gateway, pools)
    if (before === undefined) {
      return
    }
    for (const [poolKey, revisions] of Object.entries(pools)) {
      for (const [revision, { arrivals }] of Object.entries(revisions)) {
        if (revision === 'others') {
          // They came long ago, by names that are named no more.
          continue
        }
        const known = before[poolKey]?.[revision]?.arrivals ?? 0
        // A revision that nobody asked for in a while is counted from zero when somebody does again.
        const more = arrivals < known ? arrivals : arrivals - known
        if (more > 0) {
          this.#add(poolKey, revision, more)
        }
      }
    }
  }

  /** Another process, or none. */
  forget(gateway: string): void {
    this.#said.delete(gateway)
  }

  /** What came for a pool since this was asked last, and what is open now. */
  drain(poolKey: string): ReadonlyMap<string, RevisionTraffic> {
    const traffic = new Map<string, RevisionTraffic>()
    for (const [revision, arrivals] of this.#came.get(poolKey) ?? []) {
      traffic.set(revision, { arrivals, open: 0 })
    }
    this.#came.delete(poolKey)
    for (const pools of this.#said.values()) {
      for (const [revision, { waiting, running }] of Object.entries(pools[poolKey] ?? {})) {
        const { arrivals = 0, open = 0 } = traffic.get(revision) ?? {}
        if (waiting + running > 0) {
          traffic.set(revision, { arrivals, open: open + waiting + running })
        }
      }
    }
    return traffic
  }

  #add(poolKey: string, revision: string, count: number): void {
    const pool = this.#came.get(poolKey) ?? new Map<string, number>()
    pool.set(revision, (pool.get(revision) ?? 0) + count)
    this.#came.set(poolKey, pool)
  }
}
