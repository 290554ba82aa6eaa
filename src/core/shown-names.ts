import type { ModelTenant } from '../api/model-tenant.ts'
import { namespacesOf } from './ownership.ts'

/** I7: in which words a tenant reads of what it used. What it was lent has only the name it was given. */
export interface ShownNames {
  readonly namespaces: ReadonlySet<string>
  /** What the tenant's `models[]` call an adapter or a pool's base; see `givenKey`. */
  readonly given: ReadonlyMap<string, string>
}

type TargetKind = 'ModelPool' | 'LoraAdapter'

const givenKey = (kind: TargetKind, key: string): string => `${kind} ${key}`

export function shownNamesOf(tenant: ModelTenant): ShownNames {
  const entries = tenant.spec.models.map(
    ({ name, targetRef: { kind, namespace, name: object } }) =>
      [givenKey(kind, `${namespace}/${object}`), name] as const,
  )
  return {
    namespaces: new Set(namespacesOf(tenant)),
    // The first of several names stays.
    given: new Map(entries.toReversed()),
  }
}

/** @param key `namespace/name`. Null: somebody else's, and the tenant has no word for it any more. */
export function shownModel(names: ShownNames, kind: TargetKind, key: string): string | null {
  return names.given.get(givenKey(kind, key)) ?? (isOwn(names, key) ? key : null)
}

/** Null where the namespace is somebody else's. */
export function shownNamespace({ namespaces }: ShownNames, namespace: string): string | null {
  return namespaces.has(namespace) ? namespace : null
}

function isOwn(names: ShownNames, key: string): boolean {
  return shownNamespace(names, key.split('/')[0] ?? '') !== null
}
