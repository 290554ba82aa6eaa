import type { AnyResource, Namespace, Secret } from '../../api/kinds.ts'
import type { ObjectMeta } from '../../api/metadata.ts'
import type { DeclaredObject } from './declared-object.ts'

/** The last good form of an object, with what an API server would have set. Immutable. */
export interface HeldObject {
  readonly identity: string
  readonly declared: DeclaredObject
  /** Relative to the folder, with `/`. */
  readonly file: string
  readonly uid: string
  /** First seen, milliseconds since 1970. */
  readonly creationTimeMs: number
  readonly generation: number
  /** Scans in a row that did not find its document in its file. */
  readonly scansAway: number
  /** Scans in a row that did not find its document in any file. */
  readonly scansGone: number
  /** What consumers get; the same value as long as nothing of it changes. */
  readonly resource: HeldResource
}

export type HeldResource =
  | { readonly type: 'Resource'; readonly value: AnyResource }
  | { readonly type: 'Secret'; readonly value: Secret }
  | { readonly type: 'Namespace'; readonly value: Namespace }

export type HeldObjects = ReadonlyMap<string, HeldObject>

/** Everything that a scan is compared with, and that outlives the process. */
export interface HeldState {
  readonly objects: HeldObjects
  /** `namespace/name sha256` of keys that were revoked once: no file brings them back. */
  readonly revokedKeys: ReadonlySet<string>
}

export function holdObject(fields: Omit<HeldObject, 'resource'>): HeldObject {
  return { ...fields, resource: resourceOf(fields) }
}

function resourceOf(fields: Omit<HeldObject, 'resource'>): HeldResource {
  const { declared, uid, creationTimeMs, generation } = fields
  const { name, namespace, labels } = declared.metadata
  switch (declared.kind) {
    case 'Secret':
      return { type: 'Secret', value: { name, namespace, data: declared.data } }
    case 'Namespace':
      return { type: 'Namespace', value: { name, labels } }
    case 'ModelPool':
    case 'LoraAdapter':
    case 'ModelTenant':
    case 'TenantKey': {
      const metadata: ObjectMeta = { ...declared.metadata, uid, creationTimeMs, generation }
      return { type: 'Resource', value: { ...declared, metadata } }
    }
    default:
      return declared satisfies never
  }
}
