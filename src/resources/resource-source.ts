import type { StatusByKind } from '../api/condition.ts'
import type { Kind, ResourceSnapshot } from '../api/kinds.ts'

/** Something in a file or object that could not be taken; what it held before stays in force. */
export interface ResourceProblem {
  /** `models/pool.yaml:12:5`, or `LoraAdapter/acme/tickets`. */
  readonly where: string
  /** Names the field and says what to write instead. */
  readonly message: string
  readonly severity: 'Error' | 'Notice'
}

export interface ResourceUpdate {
  readonly snapshot: ResourceSnapshot
  readonly problems: readonly ResourceProblem[]
}

/** Where resources come from and their statuses go: a folder, or later an API server. */
export interface ResourceSource {
  /** The newest state; never undefined once `start()` resolved. */
  current(): ResourceUpdate
  /** Called after every change with the whole new state, never for nothing. Returns the unsubscribe. */
  watch(onUpdate: (update: ResourceUpdate) => void): () => void
  /** Writes a status; an equal one is not written again. `undefined` removes it. */
  writeStatus<K extends Kind>(kind: K, key: string, status: StatusByKind[K] | undefined): void
  status<K extends Kind>(kind: K, key: string): StatusByKind[K] | undefined
  start(signal: AbortSignal): Promise<void>
  /** Flushes statuses and stops watching. */
  close(): Promise<void>
}
