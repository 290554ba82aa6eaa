import type { CatalogueEntry } from '../api/agent-protocol.ts'
import type { WantedRevision } from '../core/adapter-plan.ts'
import type { ReplicaState } from './model-pool/pool-replicas.ts'
import { PoolCatalogue } from './pool-catalogue.ts'

/** What one agent is told in one life of it. */
interface Order {
  readonly session: number
  readonly entries: readonly CatalogueEntry[]
}

interface Line {
  /** What the agent has taken, or is being sent. */
  told: Order | undefined
  wanted: Order
  /** What `wanted` was made of. */
  catalogue: PoolCatalogue | undefined
  busy: boolean
  failures: number
  retry: NodeJS.Timeout | undefined
  link: ReplicaState['link']
}

export interface CatalogueSenderOptions {
  /** Fences this controller's orders against an earlier one's. */
  readonly term: () => number
  readonly warn: (fields: object, message: string) => void
}

/** Entries on their way at once; two hundred thousand as JSON would be 35 MB. One catalogue may always go. */
const maxInFlight = 40_000
const firstRetryMs = 250
const lastRetryMs = 10_000

/**
 * Tells every agent its catalogue: one call at a time, the newest after it, again when the agent starts over or did not
 * take it.
 */
export class CatalogueSender {
  readonly #options: CatalogueSenderOptions
  readonly #lines = new Map<string, Line>()
  /** Replicas whose catalogue waits until others have theirs, in their order. */
  readonly #waiting = new Set<string>()
  #catalogues: ReadonlyMap<string, PoolCatalogue> = new Map()
  #inFlight = 0
  #sequence = 0
  #closed = false

  constructor(options: CatalogueSenderOptions) {
    this.#options = options
  }

  /** `wanted` by pool; replicas of a pool without any get an empty catalogue. */
  send(
    states: readonly ReplicaState[],
    wanted: ReadonlyMap<string, readonly WantedRevision[]>,
  ): void {
    const catalogues = new Map<string, PoolCatalogue>()
    const present = new Set<string>()
    for (const state of states) {
      present.add(state.name)
      const line = this.#lineOf(state)
      line.link = state.link
      line.wanted = this.#orderOf(state, line, catalogues, wanted.get(state.poolKey) ?? [])
      this.#advance(state.name, line)
    }
    this.#catalogues = catalogues
    for (const [name, line] of this.#lines) {
      if (!present.has(name)) {
        clearTimeout(line.retry)
        this.#lines.delete(name)
        this.#waiting.delete(name)
      }
    }
  }

  close(): void {
    this.#closed = true
    this.#lines.forEach((line) => clearTimeout(line.retry))
  }

  /** The same value where nothing of it changed. */
  #orderOf(
    { name, poolKey, session }: ReplicaState,
    line: Line,
    catalogues: Map<string, PoolCatalogue>,
    wanted: readonly WantedRevision[],
  ): Order {
    const before = this.#catalogues.get(poolKey)
    const catalogue =
      catalogues.get(poolKey) ??
      (before?.isOf(wanted) === true ? before : new PoolCatalogue(wanted))
    catalogues.set(poolKey, catalogue)
    const isKnown = line.catalogue === catalogue
    line.catalogue = catalogue
    const entries = isKnown ? line.wanted.entries : catalogue.entriesOf(name)
    const isSame = entries === line.wanted.entries || areEqual(entries, line.wanted.entries)
    return isSame && line.wanted.session === session
      ? line.wanted
      : { session, entries: isSame ? line.wanted.entries : entries }
  }

  #lineOf(state: ReplicaState): Line {
    const known = this.#lines.get(state.name)
    if (known !== undefined) {
      return known
    }
    const line: Line = {
      told: undefined,
      wanted: { session: state.session, entries: [] },
      catalogue: undefined,
      busy: false,
      failures: 0,
      retry: undefined,
      link: state.link,
    }
    this.#lines.set(state.name, line)
    return line
  }

  #advance(replica: string, line: Line): void {
    this.#waiting.delete(replica)
    if (line.busy || line.retry !== undefined || line.told === line.wanted || this.#closed) {
      return
    }
    // One that does not answer must not hold up the others.
    const size = line.failures > 0 ? 0 : line.wanted.entries.length
    if (this.#inFlight > 0 && this.#inFlight + size > maxInFlight) {
      this.#waiting.add(replica)
      return
    }
    this.#inFlight += size
    line.busy = true
    line.told = line.wanted
    this.#sequence += 1
    const request = {
      term: this.#options.term(),
      sequence: this.#sequence,
      entries: [...line.wanted.entries],
    }
    line.link
      .setDesired(request)
      .then((answer) => {
        line.failures = 0
        if (!answer.accepted) {
          this.#options.warn(
            { replica, held: answer.term, ours: request.term },
            'the agent obeys a later controller',
          )
        }
      })
      .catch((error: unknown) => this.#retry(replica, line, error))
      .finally(() => {
        line.busy = false
        this.#inFlight -= size
        for (const name of [...this.#waiting, replica]) {
          const next = this.#lines.get(name)
          if (next !== undefined) {
            this.#advance(name, next)
          }
        }
      })
  }

  #retry(replica: string, line: Line, error: unknown): void {
    line.told = undefined
    if (line.failures === 0) {
      this.#options.warn({ err: error, replica }, 'the agent did not take its catalogue')
    }
    const delayMs = Math.min(firstRetryMs * 2 ** line.failures, lastRetryMs)
    line.failures += 1
    line.retry = setTimeout(() => {
      line.retry = undefined
      this.#advance(replica, line)
    }, delayMs).unref()
  }
}

/** Mostly the very same values. */
function areEqual(left: readonly CatalogueEntry[], right: readonly CatalogueEntry[]): boolean {
  return (
    left.length === right.length &&
    left.every((entry, at) => {
      const other = right[at]
      return (
        entry === other ||
        (entry.revision === other?.revision &&
          entry.digest === other.digest &&
          entry.want === other.want &&
          entry.sizeBytes === other.sizeBytes)
      )
    })
  )
}
