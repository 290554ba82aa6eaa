import type { DemandOfRevision } from '../api/gateway-protocol.ts'
import type { Arrivals } from './admission/arrivals.ts'

/** By pool key, then by revision; the base is `base`, names that no revision answers yet are `loading`, see `DemandMessage`. */
export type PoolDemand = Readonly<Record<string, Readonly<Record<string, DemandOfRevision>>>>

type Counts = Iterable<readonly [revision: string | undefined, count: number]>
type Field = keyof DemandOfRevision
type Cell = { -readonly [field in Field]?: number } & Record<Exclude<Field, 'cold'>, number>

/** Adds up what pools and replicas say of their requests; a revision without any is not named. */
export class DemandCount {
  readonly #pools: Record<string, Record<string, Cell>> = {}

  get byPool(): PoolDemand {
    return this.#pools
  }

  waits(poolKey: string, counts: Counts): void {
    this.#add(poolKey, 'waiting', counts)
  }

  /** Of those that wait. */
  waitsForLoads(poolKey: string, counts: Counts): void {
    this.#add(poolKey, 'cold', counts)
  }

  runs(poolKey: string, counts: Counts): void {
    this.#add(poolKey, 'running', counts)
  }

  loads(waiting: ReadonlyMap<string, number>): void {
    for (const [poolKey, count] of waiting) {
      const cell = this.#cell(poolKey, 'loading')
      cell.waiting += count
      cell.cold = (cell.cold ?? 0) + count
    }
  }

  arrived(poolKey: string, arrivals: Arrivals): void {
    this.#add(poolKey, 'arrivals', arrivals.byRevision())
    if (arrivals.others > 0) {
      this.#cell(poolKey, 'others').arrivals += arrivals.others
    }
  }

  #add(poolKey: string, field: Field, counts: Counts): void {
    for (const [revision, count] of counts) {
      if (count > 0) {
        const cell = this.#cell(poolKey, revision ?? base)
        cell[field] = (cell[field] ?? 0) + count
      }
    }
  }

  #cell(poolKey: string, revision: string): Cell {
    const pool = (this.#pools[poolKey] ??= {})
    return (pool[revision] ??= { waiting: 0, running: 0, arrivals: 0 })
  }
}

const base = 'base'
