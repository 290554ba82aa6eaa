import type { CatalogueEntry } from '../api/agent-protocol.ts'
import type { WantedRevision } from '../core/adapter-plan.ts'

/** The forms in which a revision stands in catalogues; a pool's replicas share them. */
interface Forms {
  readonly loaded: CatalogueEntry
  readonly onDisk: CatalogueEntry
  readonly allowed: CatalogueEntry
}

/** What is another for one replica: new and changed entries, and revisions that are named no longer. */
export interface CatalogueChange {
  readonly entries: readonly CatalogueEntry[]
  readonly gone: readonly string[]
}

/** Revisions that are another than in an earlier catalogue, whatever they are on each replica. */
interface Difference {
  readonly changed: readonly (readonly [WantedRevision | undefined, WantedRevision])[]
  readonly gone: readonly string[]
}

const forms = new WeakMap<WantedRevision, Forms>()

/** What a pool's replicas should have. Ten thousand revisions on twenty replicas are two hundred thousand entries. */
export class PoolCatalogue {
  readonly #wanted: readonly WantedRevision[]
  readonly #revisions: ReadonlyMap<string, WantedRevision>
  /** All replicas but those that fell behind come from the same earlier one. */
  readonly #differences = new WeakMap<PoolCatalogue, Difference>()

  constructor(wanted: readonly WantedRevision[]) {
    this.#wanted = wanted
    this.#revisions = merge(wanted)
  }

  get size(): number {
    return this.#revisions.size
  }

  isOf(wanted: readonly WantedRevision[]): boolean {
    return (
      wanted.length === this.#wanted.length && wanted.every((one, at) => one === this.#wanted[at])
    )
  }

  entriesOf(replica: string): readonly CatalogueEntry[] {
    return [...this.#revisions.values()].map((one) => entryOf(one, replica))
  }

  changeOf(replica: string, before: PoolCatalogue): CatalogueChange {
    const { changed, gone } = this.#differenceTo(before)
    const entries = changed.flatMap(([was, is]) => {
      const entry = entryOf(is, replica)
      return was !== undefined && areEqual(entryOf(was, replica), entry) ? [] : [entry]
    })
    return { entries, gone }
  }

  #differenceTo(before: PoolCatalogue): Difference {
    const known = this.#differences.get(before)
    if (known !== undefined) {
      return known
    }
    const changed: [WantedRevision | undefined, WantedRevision][] = []
    for (const [revision, is] of this.#revisions) {
      const was = before.#revisions.get(revision)
      if (was !== is) {
        changed.push([was, is])
      }
    }
    const gone = [...before.#revisions.keys()].filter((revision) => !this.#revisions.has(revision))
    const difference = { changed, gone }
    this.#differences.set(before, difference)
    return difference
  }
}

/** Two adapters of one content share a revision: the stronger wish counts. */
function merge(wanted: readonly WantedRevision[]): ReadonlyMap<string, WantedRevision> {
  const revisions = new Map<string, WantedRevision>()
  for (const one of wanted) {
    const held = revisions.get(one.revision)
    revisions.set(
      one.revision,
      held === undefined
        ? one
        : {
            ...held,
            loadedOn: [...new Set([...held.loadedOn, ...one.loadedOn])],
            onDisk: [...new Set([...held.onDisk, ...one.onDisk])],
          },
    )
  }
  return revisions
}

function entryOf(one: WantedRevision, replica: string): CatalogueEntry {
  const { loaded, onDisk, allowed } = formsOf(one)
  if (one.loadedOn.includes(replica)) {
    return loaded
  }
  return one.onDisk.includes(replica) ? onDisk : allowed
}

function formsOf(wanted: WantedRevision): Forms {
  const known = forms.get(wanted)
  if (known !== undefined) {
    return known
  }
  const { revision, digest, sizeBytes } = wanted
  const made: Forms = {
    loaded: { revision, digest, sizeBytes, want: 'Loaded' },
    onDisk: { revision, digest, sizeBytes, want: 'OnDisk' },
    allowed: { revision, digest, sizeBytes, want: 'Allowed' },
  }
  forms.set(wanted, made)
  return made
}

function areEqual(left: CatalogueEntry, right: CatalogueEntry): boolean {
  return (
    left === right ||
    (left.digest === right.digest && left.want === right.want && left.sizeBytes === right.sizeBytes)
  )
}
