import { createHash } from 'node:crypto'
import type { CatalogueEntry, Want } from '../api/agent-protocol.ts'
import type { WantedRevision } from '../core/adapter-plan.ts'
import type { ReplicaState } from './model-pool/pool-replicas.ts'

interface Line {
  /** What the agent has taken, or is being sent. */
  told: string
  wanted: string
  entries: readonly CatalogueEntry[]
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

const firstRetryMs = 250
const lastRetryMs = 10_000

/**
 * Tells every agent its catalogue: one call at a time, the newest after it, again when the agent starts over or did not
 * take it.
 */
export class CatalogueSender {
  readonly #options: CatalogueSenderOptions
  readonly #lines = new Map<string, Line>()
  #sequence = 0
  #closed = false

  constructor(options: CatalogueSenderOptions) {
    this.#options = options
  }

  /** `wanted` of all replicas; those without any get an empty catalogue. */
  send(states: readonly ReplicaState[], wanted: readonly WantedRevision[]): void {
    const byReplica = Map.groupBy(wanted, (one) => one.replica)
    const present = new Set<string>()
    for (const state of states) {
      present.add(state.name)
      const entries = mergeEntries(byReplica.get(state.name) ?? [])
      const line = this.#lineOf(state)
      line.link = state.link
      line.entries = entries
      line.wanted = `${state.session}\0${fingerprintOf(entries)}`
      this.#advance(state.name, line)
    }
    for (const [name, line] of this.#lines) {
      if (!present.has(name)) {
        clearTimeout(line.retry)
        this.#lines.delete(name)
      }
    }
  }

  close(): void {
    this.#closed = true
    this.#lines.forEach((line) => clearTimeout(line.retry))
  }

  #lineOf(state: ReplicaState): Line {
    const known = this.#lines.get(state.name)
    if (known !== undefined) {
      return known
    }
    const line: Line = {
      told: '',
      wanted: '',
      entries: [],
      busy: false,
      failures: 0,
      retry: undefined,
      link: state.link,
    }
    this.#lines.set(state.name, line)
    return line
  }

  #advance(replica: string, line: Line): void {
    if (line.busy || line.retry !== undefined || line.told === line.wanted || this.#closed) {
      return
    }
    line.busy = true
    line.told = line.wanted
    this.#sequence += 1
    const request = {
      term: this.#options.term(),
      sequence: this.#sequence,
      entries: [...line.entries],
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
        this.#advance(replica, line)
      })
  }

  #retry(replica: string, line: Line, error: unknown): void {
    line.told = ''
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

/** Megabytes of text for ten thousand adapters: only its hash is kept. */
function fingerprintOf(entries: readonly CatalogueEntry[]): string {
  const hash = createHash('sha256')
  for (const { revision, digest, want, sizeBytes } of entries) {
    hash.update(`${revision}${digest}${want}${sizeBytes};`)
  }
  return hash.digest('base64url')
}

const strength: Readonly<Record<Want, number>> = { Allowed: 0, OnDisk: 1, Loaded: 2 }

/** Two adapters of one content share a revision: the stronger wish counts. */
function mergeEntries(wanted: readonly WantedRevision[]): readonly CatalogueEntry[] {
  const entries = new Map<string, CatalogueEntry>()
  for (const { revision, digest, sizeBytes, want } of wanted) {
    const held = entries.get(revision)
    if (held === undefined || strength[want] > strength[held.want]) {
      entries.set(revision, { revision, digest, sizeBytes, want })
    }
  }
  return [...entries.values()].sort((left, right) => (left.revision < right.revision ? -1 : 1))
}
