import { compareVersions } from './resource-version.ts'

interface Tombstone {
  readonly version: string | undefined
  readonly sinceMs: number
}

/**
 * Objects that went, by uid, for a while: an old list or a repeated event must not bring them back. Something newer may:
 * under a label selector an object goes when its label does, and can return.
 */
export class Tombstones {
  readonly #byUid = new Map<string, Tombstone>()
  readonly #keepMs: number
  readonly #max: number

  constructor(keepMs = 30 * 60_000, max = 20_000) {
    this.#keepMs = keepMs
    this.#max = max
  }

  /** `version` is that of the deletion, or of the list that lacked the object. */
  add(uid: string | undefined, version: string | undefined, nowMs: number): void {
    if (uid === undefined) {
      return
    }
    this.#byUid.delete(uid)
    this.#byUid.set(uid, { version, sinceMs: nowMs })
    for (const [oldest, { sinceMs }] of this.#byUid) {
      if (this.#byUid.size <= this.#max && nowMs - sinceMs < this.#keepMs) {
        break
      }
      this.#byUid.delete(oldest)
    }
  }

  /** Whether this state of the object is from before it went. */
  covers(metadata: { readonly uid?: string; readonly resourceVersion?: string }): boolean {
    const tombstone = metadata.uid === undefined ? undefined : this.#byUid.get(metadata.uid)
    if (tombstone === undefined) {
      return false
    }
    return (compareVersions(metadata.resourceVersion, tombstone.version) ?? 1) <= 0
  }

  clear(): void {
    this.#byUid.clear()
  }
}
