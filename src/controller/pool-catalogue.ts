import type { CatalogueEntry } from '../api/agent-protocol.ts'
import type { WantedRevision } from '../core/adapter-plan.ts'

/** The two forms in which a revision stands in catalogues; a pool's replicas share them. */
interface Forms {
  readonly loaded: CatalogueEntry
  readonly allowed: CatalogueEntry
}

const forms = new WeakMap<WantedRevision, Forms>()

/** What a pool's replicas should have. Ten thousand revisions on twenty replicas are two hundred thousand references. */
export class PoolCatalogue {
  readonly #wanted: readonly WantedRevision[]
  readonly #revisions: readonly WantedRevision[]

  constructor(wanted: readonly WantedRevision[]) {
    this.#wanted = wanted
    this.#revisions = merge(wanted)
  }

  isOf(wanted: readonly WantedRevision[]): boolean {
    return (
      wanted.length === this.#wanted.length && wanted.every((one, at) => one === this.#wanted[at])
    )
  }

  /** In the order of their names. */
  entriesOf(replica: string): readonly CatalogueEntry[] {
    return this.#revisions.map((one) => {
      const { loaded, allowed } = formsOf(one)
      return one.loadedOn.includes(replica) ? loaded : allowed
    })
  }
}

/** Two adapters of one content share a revision: the stronger wish counts. */
function merge(wanted: readonly WantedRevision[]): readonly WantedRevision[] {
  const revisions = new Map<string, WantedRevision>()
  for (const one of wanted) {
    const held = revisions.get(one.revision)
    revisions.set(
      one.revision,
      held === undefined
        ? one
        : { ...held, loadedOn: [...new Set([...held.loadedOn, ...one.loadedOn])] },
    )
  }
  return [...revisions.values()].sort((left, right) => (left.revision < right.revision ? -1 : 1))
}

function formsOf(wanted: WantedRevision): Forms {
  const known = forms.get(wanted)
  if (known !== undefined) {
    return known
  }
  const { revision, digest, sizeBytes } = wanted
  const made: Forms = {
    loaded: { revision, digest, sizeBytes, want: 'Loaded' },
    allowed: { revision, digest, sizeBytes, want: 'Allowed' },
  }
  forms.set(wanted, made)
  return made
}
