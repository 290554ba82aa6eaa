import { keyOf, matchesSelector, type ObjectMeta } from '../api/metadata.ts'
import type { ModelTenant } from '../api/model-tenant.ts'

/** Whose an adapter or a key is; `rivals` are the younger tenants that claim the same object. */
export interface Ownership {
  readonly owner: ModelTenant | undefined
  readonly rivals: readonly ModelTenant[]
}

/** The namespaces a tenant claims, in its order; by default the one of its own name. */
export function namespacesOf(tenant: ModelTenant): readonly string[] {
  return tenant.spec.namespaces?.map((claim) => claim.name) ?? [tenant.metadata.name]
}

/** Oldest first; the name breaks a tie, so that every process orders alike. */
export function byAge(
  left: { readonly metadata: ObjectMeta },
  right: { readonly metadata: ObjectMeta },
): number {
  return (
    left.metadata.creationTimeMs - right.metadata.creationTimeMs ||
    compare(keyOf(left.metadata), keyOf(right.metadata))
  )
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

/** Finds owners for many objects: tenants are ordered and indexed by namespace once. */
export function createOwnership(tenants: Iterable<ModelTenant>): (object: ObjectMeta) => Ownership {
  const byNamespace = new Map<string, ModelTenant[]>()
  for (const tenant of [...tenants].sort(byAge)) {
    for (const namespace of new Set(namespacesOf(tenant))) {
      const claimants = byNamespace.get(namespace)
      if (claimants === undefined) {
        byNamespace.set(namespace, [tenant])
      } else {
        claimants.push(tenant)
      }
    }
  }
  return (object) => {
    const [owner, ...rivals] = (byNamespace.get(object.namespace) ?? []).filter((tenant) =>
      claims(tenant, object),
    )
    return { owner, rivals }
  }
}

function claims(tenant: ModelTenant, object: ObjectMeta): boolean {
  if (tenant.spec.namespaces === undefined) {
    return tenant.metadata.name === object.namespace
  }
  return tenant.spec.namespaces.some(
    (claim) => claim.name === object.namespace && matchesSelector(claim.selector, object.labels),
  )
}
