import { estimateDemand, type DemandMemory } from './adapter-demand.ts'
import { copiesDefaults, planCopies, type CopiesOptions } from './copies-plan.ts'
import { rankReplicas } from './placement.ts'

type Named = { readonly name: string; readonly isLeaving?: boolean }

/**
 * At which replicas a pool's adapters are at home: the few where their requests keep them active, so that others see fewer distinct
 * adapters. Whoever routes plans alone, from what it sees itself: of the same traffic, several see about the same
 * shares, and rendezvous hashing makes the same of it.
 */
export class Homes {
  #arrivals = new Map<string, number>()
  #memory: DemandMemory | undefined
  #homes = new Map<string, ReadonlySet<string>>()

  /** A request for it came. */
  note(revision: string): void {
    this.#arrivals.set(revision, (this.#arrivals.get(revision) ?? 0) + 1)
  }

  /** False for whatever no plan knows: it is welcome everywhere. */
  isAway(revision: string, replica: string): boolean {
    const homes = this.#homes.get(revision)
    return homes !== undefined && !homes.has(replica)
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
    this.#homes = new Map(
      revisions.map(([revision], adapter) => [
        revision,
        new Set(plan.get(adapter)?.map((at) => replicas[at]?.name ?? '')),
      ]),
    )
  }
}
