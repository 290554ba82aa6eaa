import type { StatusByKind } from '../../api/condition.ts'
import type { AnyResource, Kind } from '../../api/kinds.ts'
import { keyOf } from '../../api/metadata.ts'
import type { StatusFile } from './status-file.ts'

type AnyStatus = StatusByKind[Kind]

interface Entry {
  /** A status belongs to one object, not to the next one of that name. */
  readonly uid: string
  readonly status: AnyStatus
  readonly text: string
}

/** Statuses by kind and key, in memory. */
export class StatusStore {
  readonly #entries = new Map<string, Entry>()

  get<K extends Kind>(kind: K, key: string): StatusByKind[K] | undefined {
    // Only `set` with the same kind wrote it.
    return this.#entries.get(`${kind}/${key}`)?.status as StatusByKind[K] | undefined
  }

  /** False where the store had that already. */
  set(kind: Kind, key: string, uid: string, status: AnyStatus | undefined): boolean {
    const name = `${kind}/${key}`
    if (status === undefined) {
      return this.#entries.delete(name)
    }
    const text = JSON.stringify(status)
    const before = this.#entries.get(name)
    if (before?.uid === uid && before.text === text) {
      return false
    }
    this.#entries.set(name, { uid, status, text })
    return true
  }

  /** Takes over what an earlier process knew about objects that are still the same ones. */
  restore(saved: StatusFile | undefined): void {
    for (const { kind, metadata, status } of saved?.objects ?? []) {
      if (status !== undefined) {
        this.set(kind, keyOf(metadata), metadata.uid, status)
      }
    }
  }

  /** Forgets the statuses of objects that are gone or were made anew. */
  keepOnly(resources: Iterable<AnyResource>): void {
    const uids = new Map<string, string>()
    for (const { kind, metadata } of resources) {
      uids.set(`${kind}/${keyOf(metadata)}`, metadata.uid)
    }
    for (const [name, { uid }] of this.#entries) {
      if (uids.get(name) !== uid) {
        this.#entries.delete(name)
      }
    }
  }
}
