import { estimateDemand, type DemandMemory } from './adapter-demand.ts'
import { copiesDefaults, planCopies, type CopiesOptions } from './copies-plan.ts'
import { rankReplicas } from './placement.ts'

interface Home {
  readonly replicas: ReadonlySet<string>
  readonly activeShare: number
}

type Named = { readonly name: string; readonly isLeaving?: boolean }

/**
 * At which replicas a pool's adapters are at home: the few where their requests keep them active, so that others see fewer distinct
 * adapters. Whoever routes plans alone, from what it sees itself: of the same traffic, several see about the same
 * shares, and rendezvous hashing makes the same of it.
 */
export class Homes {
  #arrivals = new Map<string, number>()
  #memory: DemandMemory | undefined
  #homes = new Map<string, Home>()

  /** A request for it came. */
  note(revision: string): void {
    this.#arrivals.set(revision, (this.#arrivals.get(revision) ?? 0) + 1)
  }

  /**
   * 0 at home, and everywhere for what no plan knows; elsewhere the part of the time for which it is active: one that is hardly
   * ever active has nothing to keep together.
   */
  awayShare(revision: string, replica: string): number {
    const home = this.#homes.get(revision)
    return home === undefined || home.replicas.has(replica) ? 0 : home.activeShare
  }

  /**
   * Every few seconds.
   * @param work of requests and adapters, see workOf; undefined: nothing is known of the engines, and every replica is home
   * @param nowMs of a clock that never goes back
   */
  plan(
    replicas: readonly Named[],
    work: Pick<CopiesOptions, 'requestWork' | 'adapterWork'> | undefined,
    nowMs: number,
  ): void {
    const traffic = [...this.#arrivals].map(
      ([revision, arrivals]) => [revision, { arrivals, open: 0 }] as const,
    )
    this.#arrivals = new Map()
    this.#memory = estimateDemand(this.#memory, new Map(traffic), nowMs)
    const revisions = [...this.#memory.revisions]
    if (work === undefined || replicas.length < 2) {
      this.#homes = new Map()
      return
    }
    const placeOf = new Map(replicas.map(({ name }, at) => [name, at]))
    const plan = planCopies(
      revisions.map(([, { slowRate }], adapter) => ({ adapter, rate: slowRate })),
      {
        ...copiesDefaults,
        ...work,
        replicas: replicas.length,
        ranked: (adapter) =>
          rankReplicas(revisions[adapter]?.[0] ?? '', replicas).map(
            (name) => placeOf.get(name) ?? 0,
          ),
      },
    )
    const most = work.adapterWork(Number.POSITIVE_INFINITY)
    this.#homes = new Map(
      revisions.map(([revision, { slowRate }], adapter) => [
        revision,
        {
          replicas: new Set(plan.get(adapter)?.map((at) => replicas[at]?.name ?? '')),
          activeShare: most === 0 ? 0 : work.adapterWork(slowRate) / most,
        },
      ]),
    )
  }
}
