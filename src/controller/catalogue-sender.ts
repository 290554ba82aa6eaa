import type { DesiredAnswer, DesiredRequest } from '../api/agent-protocol.ts'
import type { WantedRevision } from '../core/adapter-plan.ts'
import type { ReplicaState } from './model-pool/pool-replicas.ts'
import { PoolCatalogue } from './pool-catalogue.ts'

/** What one agent has taken, or is being sent, in one life of it. */
interface Told {
  readonly session: number
  readonly term: number
  readonly sequence: number
  readonly catalogue: PoolCatalogue
}

interface Line {
  told: Told | undefined
  session: number
  catalogue: PoolCatalogue
  link: ReplicaState['link']
  busy: boolean
  failures: number
  retry: NodeJS.Timeout | undefined
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
 * Tells every agent its catalogue: whole at first and when the agent starts over or did not take it, else what changed.
 * One call at a time, the newest after it.
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
    for (const { name, poolKey, link, session } of states) {
      const catalogue =
        catalogues.get(poolKey) ?? this.#catalogueOf(poolKey, wanted.get(poolKey) ?? [])
      catalogues.set(poolKey, catalogue)
      present.add(name)
      const line = this.#lines.get(name)
      if (line === undefined) {
        this.#lines.set(name, newLine(catalogue, session, link))
      } else {
        Object.assign(line, { catalogue, session, link })
      }
    }
    this.#catalogues = catalogues
    for (const [name, line] of this.#lines) {
      if (present.has(name)) {
        this.#advance(name, line)
      } else {
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
  #catalogueOf(poolKey: string, wanted: readonly WantedRevision[]): PoolCatalogue {
    const before = this.#catalogues.get(poolKey)
    return before?.isOf(wanted) === true ? before : new PoolCatalogue(wanted)
  }

  #advance(replica: string, line: Line): void {
    this.#waiting.delete(replica)
    if (line.busy || line.retry !== undefined || this.#closed) {
      return
    }
    const term = this.#options.term()
    const { told, session, catalogue } = line
    const isToldAnew = told?.session !== session || told.term !== term
    const order = isToldAnew ? undefined : changeSince(told, replica, catalogue)
    if (order === 'Nothing') {
      line.told = told && { ...told, catalogue }
      return
    }
    // One that does not answer must not hold up the others.
    const size = line.failures > 0 ? 0 : (order?.entries.length ?? catalogue.size)
    if (this.#inFlight > 0 && this.#inFlight + size > maxInFlight) {
      this.#waiting.add(replica)
      return
    }
    this.#inFlight += size
    this.#sequence += 1
    const entries = order?.entries ?? catalogue.entriesOf(replica)
    void this.#tell(replica, line, {
      term,
      sequence: this.#sequence,
      ...order,
      entries: [...entries],
    }).finally(() => {
      this.#inFlight -= size
      this.#advanceAll(replica)
    })
  }

  async #tell(replica: string, line: Line, request: DesiredRequest): Promise<void> {
    const { term, sequence } = request
    line.busy = true
    line.told = { session: line.session, term, sequence, catalogue: line.catalogue }
    try {
      const answer = await line.link.setDesired(request)
      line.failures = 0
      this.#heard(replica, line, request, answer)
    } catch (error) {
      this.#retry(replica, line, error)
    } finally {
      line.busy = false
    }
  }

  #heard(replica: string, line: Line, request: DesiredRequest, answer: DesiredAnswer): void {
    if (answer.accepted) {
      return
    }
    if (request.change !== undefined && answer.term <= request.term) {
      // It started over before that was heard here: the whole, at once.
      line.told = undefined
      return
    }
    this.#options.warn(
      { replica, held: answer.term, ours: request.term },
      'the agent obeys a later controller',
    )
  }

  #advanceAll(last: string): void {
    for (const name of [...this.#waiting, last]) {
      const next = this.#lines.get(name)
      if (next !== undefined) {
        this.#advance(name, next)
      }
    }
  }

  #retry(replica: string, line: Line, error: unknown): void {
    // Whether it took this one is not known.
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

function newLine(catalogue: PoolCatalogue, session: number, link: ReplicaState['link']): Line {
  return { told: undefined, session, catalogue, link, busy: false, failures: 0, retry: undefined }
}

type Change = Required<Pick<DesiredRequest, 'entries' | 'change'>>

function changeSince(
  { sequence, catalogue: before }: Told,
  replica: string,
  catalogue: PoolCatalogue,
): Change | 'Nothing' {
  if (before === catalogue) {
    return 'Nothing'
  }
  const { entries, gone } = catalogue.changeOf(replica, before)
  return entries.length + gone.length === 0
    ? 'Nothing'
    : { entries: [...entries], change: { since: sequence, gone: [...gone] } }
}
