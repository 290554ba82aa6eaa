import { Memo } from '../core/memo.ts'
import { buildRoutingTable, type RoutingTable } from '../core/resolve.ts'
import type { ResourceSource } from '../resources/resource-source.ts'

/** A source, and where statuses change apart from the rest, what tells of that. */
export type TableSource = Pick<ResourceSource, 'current' | 'watch' | 'status'> & {
  readonly watchStatuses?: (onChange: () => void) => () => void
}

export interface TableFeedOptions {
  readonly source: TableSource
  readonly onTable: (table: RoutingTable) => void
  /** Milliseconds, monotonic. */
  readonly now?: () => number
}

/** Between the end of one build and the next, at least. */
const minGapMs = 50
/** Building takes at most one part in so many of the time, and yet no change waits longer than `maxGapMs` (I13). */
const restPerBuild = 5
const maxGapMs = 500

/**
 * Keeps the routing table as new as the source: a change that comes alone is taken at once, those of a burst together.
 */
export class TableFeed {
  readonly #options: TableFeedOptions
  readonly #now: () => number
  readonly #memo = new Memo()
  readonly #unwatch: readonly (() => void)[]
  /** Another one at every change of a status. */
  #statuses: object = {}
  #timer: NodeJS.Timeout | undefined
  #nextAt = 0
  /** Milliseconds of the last build. */
  lastBuildMs = 0

  constructor(options: TableFeedOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
    const unwatchStatuses = options.source.watchStatuses?.(() => {
      this.#statuses = {}
      this.#onChange()
    })
    this.#unwatch = [
      options.source.watch(() => this.#onChange()),
      ...(unwatchStatuses === undefined ? [] : [unwatchStatuses]),
    ]
  }

  /** Builds now; for the first table. */
  build(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const startedAt = this.#now()
    const { source } = this.#options
    const table = buildRoutingTable(
      {
        snapshot: source.current().snapshot,
        statusOf: (key) => source.status('LoraAdapter', key),
        ...(source.watchStatuses === undefined ? {} : { statuses: this.#statuses }),
      },
      this.#memo,
    )
    this.#options.onTable(table)
    const endedAt = this.#now()
    this.lastBuildMs = endedAt - startedAt
    this.#nextAt = endedAt + Math.min(maxGapMs, Math.max(minGapMs, this.lastBuildMs * restPerBuild))
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const unwatch of this.#unwatch) {
      unwatch()
    }
  }

  #onChange(): void {
    this.#timer ??= setTimeout(() => this.build(), Math.max(0, this.#nextAt - this.#now()))
  }
}
