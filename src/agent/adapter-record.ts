import type { ResidencyState, Want } from '../api/agent-protocol.ts'
import type { StoredAdapter } from '../artifacts/types.ts'

export interface Failure {
  readonly reason: string
  readonly message: string
  /** For this content, until it leaves the catalogue. */
  readonly permanent: boolean
  readonly retryAtMs: number
  readonly attempts: number
}

/** A name on the engine. `ours`: under the path that holds this revision's content. */
export interface Registration {
  readonly root: string | undefined
  readonly ours: boolean
}

/** What is known of one revision on this replica. */
export interface AdapterRecord {
  readonly revision: string
  /** Undefined for a name that an earlier agent left and no catalogue explains. */
  digest: string | undefined
  want: Want | undefined
  stored: StoredAdapter | undefined
  /** Its files are being fetched. */
  coming: boolean
  registration: Registration | undefined
  loading: boolean
  /** I2: the canary passed on the present engine process. */
  proved: boolean
  noRoom: boolean
  failure: Failure | undefined
  leaseUntilMs: number
  lastUsedMs: number
  touchedMs: number
  retiredAtMs: number
}

export function newRecord(revision: string): AdapterRecord {
  return {
    revision,
    digest: undefined,
    want: undefined,
    stored: undefined,
    coming: false,
    registration: undefined,
    loading: false,
    proved: false,
    noRoom: false,
    failure: undefined,
    leaseUntilMs: -1,
    lastUsedMs: 0,
    touchedMs: 0,
    retiredAtMs: 0,
  }
}

/** I2: loaded from our path, proved on this process, and still in the catalogue. */
export function isRoutable(record: AdapterRecord): boolean {
  return record.want !== undefined && record.registration?.ours === true && record.proved
}

/** What the state stream says of it. `wanted`: somebody wants it loaded at this moment. */
export function residencyOf(record: AdapterRecord, wanted: boolean, full: string): ResidencyState {
  const { failure } = record
  if (isRoutable(record)) {
    return { state: 'Routable' }
  }
  if (record.loading) {
    return { state: 'Loading' }
  }
  if (failure !== undefined && (failure.permanent || wanted)) {
    const { reason, message, permanent } = failure
    return { state: 'Failed', reason, message, permanent }
  }
  if (record.registration !== undefined) {
    return { state: wanted ? 'Loaded' : 'Retired' }
  }
  if (record.noRoom) {
    return { state: 'Failed', reason: 'HostCacheFull', message: full, permanent: false }
  }
  return { state: record.stored === undefined ? 'Absent' : 'OnDisk' }
}

/** Of a name that an earlier agent left. */
export function digestIn(path: string | undefined): string | undefined {
  return /[0-9a-f]{64}/.exec(path ?? '')?.[0]
}
