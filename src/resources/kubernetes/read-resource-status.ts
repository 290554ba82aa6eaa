import { isMap } from '../../api/validate.ts'
import type { StatusByKind } from '../../api/condition.ts'
import type { Kind } from '../../api/kinds.ts'
import type { WireResource } from './resource-types.ts'

/** Lists and counts that a status always has for its readers; the API server drops what is empty. */
const absent: { readonly [K in Kind]: Partial<StatusByKind[K]> } = {
  ModelPool: { replicas: 0, readyReplicas: 0, adapters: { routable: 0, wanted: 0 } },
  LoraAdapter: { revisions: [], copies: { routable: 0, wanted: 0 } },
  ModelTenant: { namespaces: [], adapters: 0, keys: 0 },
  TenantKey: {},
}

const known = new WeakMap<WireResource, StatusByKind[Kind]>()

/** The status on an object; undefined where nobody has written one (the CRD's default is not one). */
export function readResourceStatus<K extends Kind>(
  kind: K,
  object: WireResource,
): StatusByKind[K] | undefined {
  const found = known.get(object)
  if (found !== undefined) {
    // One object is of one kind.
    return found as StatusByKind[K]
  }
  const { status } = object
  if (!isMap(status) || !Array.isArray(status['conditions'])) {
    return undefined
  }
  // Only the controller may write it, and the CRD's schema holds it.
  const whole = { observedGeneration: -1, ...absent[kind], ...status } as unknown as StatusByKind[K]
  known.set(object, whole)
  return whole
}
