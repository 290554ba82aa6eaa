import type { AnyResource, Kind } from '../../api/kinds.ts'
import type { ResourceProblem } from '../resource-source.ts'
import { readResource, type ReadResource } from './read-resource.ts'
import type { WireResource } from './resource-types.ts'
import type { StoreChange } from './types.ts'

/** One kind as consumers see it: what is good of each object, and what is wrong with the others. */
export class KindView {
  readonly kind: Kind
  readonly #held = new Map<string, { readonly object: WireResource; readonly read: ReadResource }>()
  #resources: ReadonlyMap<string, AnyResource> = new Map()
  #problems: readonly ResourceProblem[] = []
  #isStale = false

  constructor(kind: Kind) {
    this.kind = kind
  }

  /** Whether consumers could notice. */
  take({ key, after }: StoreChange<WireResource>): boolean {
    const before = this.#held.get(key)
    // An object that is being deleted is gone for consumers: a revoked key must not wait for finalizers.
    if (after === undefined || after.metadata.deletionTimestamp !== undefined) {
      this.#held.delete(key)
    } else {
      this.#held.set(key, { object: after, read: readResource(this.kind, after, before) })
    }
    const isNews = before?.read !== this.#held.get(key)?.read
    this.#isStale ||= isNews
    return isNews
  }

  /** The same map as long as nothing in it changes. */
  get resources(): ReadonlyMap<string, AnyResource> {
    this.#refresh()
    return this.#resources
  }

  get problems(): readonly ResourceProblem[] {
    this.#refresh()
    return this.#problems
  }

  #refresh(): void {
    if (!this.#isStale) {
      return
    }
    this.#isStale = false
    const resources = new Map<string, AnyResource>()
    const problems: ResourceProblem[] = []
    for (const [key, { read }] of this.#held) {
      problems.push(...read.problems)
      if (read.resource !== undefined) {
        resources.set(key, read.resource)
      }
    }
    this.#resources = resources
    this.#problems = problems
  }
}
