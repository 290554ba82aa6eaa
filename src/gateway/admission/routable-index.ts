import type { Copy, ReplicaView } from '../replica-view.ts'

/**
 * Which replicas have a revision, so that a request need not look at all of them. An entry is made when it is first asked
 * for, and is void when a replica says that it has the revision or has it no more.
 */
export class RoutableIndex {
  readonly #byRevision = new Map<string, readonly Copy[]>()
  #views: readonly ReplicaView[] = []

  /**
   * Those that can serve it, or could after a slot.
   * @param views another array where other replicas are in it
   */
  of(views: readonly ReplicaView[], revision: string): readonly Copy[] {
    if (views !== this.#views) {
      this.#byRevision.clear()
      this.#views = views
    }
    let found = this.#byRevision.get(revision)
    if (found === undefined) {
      found = views.filter((view) => view.isRoutable(revision)).map((view) => view.copyOf(revision))
      this.#byRevision.set(revision, found)
    }
    return found
  }

  forget(revision: string): void {
    this.#byRevision.delete(revision)
  }
}
