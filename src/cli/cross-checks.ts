import type { ResourceSnapshot } from '../api/kinds.ts'
import { poolKeyOf } from '../api/lora-adapter.ts'
import { keyOf } from '../api/metadata.ts'
import { AdapterQuotas } from '../core/adapter-quotas.ts'
import { createOwnership, namespacesOf } from '../core/ownership.ts'
import { findNameConflicts, mayAttach, tenantOfKey } from '../core/resolve.ts'
import { planTenantStatuses } from '../core/statuses.ts'

/** Something that looks odd when objects are seen together; other files may set it right. */
export interface CrossFinding {
  /** `Kind/namespace/name`. */
  readonly identity: string
  readonly message: string
}

type CrossCheck = (snapshot: ResourceSnapshot) => readonly CrossFinding[]

/** Each looks at one relation. None is an error: what is missing may be in a file that was not given. */
const checks: readonly CrossCheck[] = [
  poolOfAdapter,
  hostCacheOfPool,
  secretsOfPool,
  claimantsOfNamespace,
  namesOfAdapters,
  targetsOfTenant,
  quotasOfTenants,
  pricesOfTenants,
  tenantsOfKeys,
  tenantsOfAdapters,
  repeatedHashes,
]

export function crossCheck(snapshot: ResourceSnapshot): readonly CrossFinding[] {
  return checks.flatMap((check) => check(snapshot))
}

function poolOfAdapter(snapshot: ResourceSnapshot): readonly CrossFinding[] {
  return [...snapshot.adapters].flatMap(([key, adapter]) => {
    const pool = snapshot.pools.get(poolKeyOf(adapter))
    if (pool === undefined) {
      return found(
        `LoraAdapter/${key}`,
        `\`spec.poolRefs[0]\` names ModelPool ${poolKeyOf(adapter)}, which is in none of these files`,
      )
    }
    return mayAttach(pool, adapter.metadata.namespace, snapshot)
      ? []
      : found(
          `LoraAdapter/${key}`,
          `ModelPool ${poolKeyOf(adapter)} lets no adapter of namespace ${adapter.metadata.namespace} attach; its \`spec.allowedNamespaces\` says who may`,
        )
  })
}

function hostCacheOfPool(snapshot: ResourceSnapshot): readonly CrossFinding[] {
  return [...snapshot.pools].flatMap(([key, pool]) => {
    const loaded = [...snapshot.adapters.values()].filter(
      (adapter) => poolKeyOf(adapter) === key && adapter.spec.residency.minCopies > 0,
    ).length
    return loaded <= pool.spec.lora.maxCpuLoras
      ? []
      : found(
          `ModelPool/${key}`,
          `\`spec.lora.maxCpuLoras\` is ${pool.spec.lora.maxCpuLoras}, and ${loaded} adapters want to stay loaded; raise it, or set residency.minCopies: 0 on some`,
        )
  })
}

function secretsOfPool(snapshot: ResourceSnapshot): readonly CrossFinding[] {
  return [...snapshot.pools].flatMap(([key, pool]) =>
    pool.spec.engine.endpoints.flatMap(({ secretRef }, index) => {
      if (secretRef === undefined) {
        return []
      }
      const secret = snapshot.secrets.get(`${pool.metadata.namespace}/${secretRef.name}`)
      const field = `\`spec.engine.endpoints[${index}].secretRef\``
      if (secret === undefined) {
        return found(
          `ModelPool/${key}`,
          `${field} names Secret ${pool.metadata.namespace}/${secretRef.name}, which is in none of these files`,
        )
      }
      return 'api-key' in secret.data
        ? []
        : found(`ModelPool/${key}`, `${field} names a Secret without the field api-key`)
    }),
  )
}

function claimantsOfNamespace({ tenants }: ResourceSnapshot): readonly CrossFinding[] {
  const holders = new Map<string, string>()
  return [...tenants.values()].flatMap((tenant) => {
    const whole = namespacesOf(tenant).filter(
      (name) =>
        tenant.spec.namespaces?.find((claim) => claim.name === name)?.selector === undefined,
    )
    return whole.flatMap((namespace) => {
      const holder = holders.get(namespace)
      holders.set(namespace, holder ?? tenant.metadata.name)
      return holder === undefined
        ? []
        : found(
            `ModelTenant/${tenant.metadata.name}`,
            `claims namespace ${namespace}, as ModelTenant ${holder} does; the older one holds it`,
          )
    })
  })
}

function namesOfAdapters(snapshot: ResourceSnapshot): readonly CrossFinding[] {
  return [...findNameConflicts(snapshot)].flatMap(([loser, holder]) =>
    found(
      `LoraAdapter/${loser}`,
      `has the same name for callers as LoraAdapter ${holder}; the older one holds it (\`spec.modelName\` gives another)`,
    ),
  )
}

function targetsOfTenant({ tenants, pools, adapters }: ResourceSnapshot): readonly CrossFinding[] {
  return [...tenants].flatMap(([key, tenant]) =>
    tenant.spec.models.flatMap(({ targetRef }, index) => {
      const target = `${targetRef.namespace}/${targetRef.name}`
      const isThere = targetRef.kind === 'ModelPool' ? pools.has(target) : adapters.has(target)
      return isThere
        ? []
        : found(
            `ModelTenant/${key}`,
            `\`spec.models[${index}].targetRef\` names ${targetRef.kind} ${target}, which is in none of these files`,
          )
    }),
  )
}

function quotasOfTenants(snapshot: ResourceSnapshot): readonly CrossFinding[] {
  const nothing = { intakeOf: () => undefined, statusOf: () => undefined }
  return [...new AdapterQuotas().grants(snapshot, nothing)].flatMap(([key, { excess, shortage }]) =>
    found(`LoraAdapter/${key}`, excess ?? shortage ?? ''),
  )
}

function pricesOfTenants(snapshot: ResourceSnapshot): readonly CrossFinding[] {
  return [...planTenantStatuses(snapshot, () => undefined, new Date(0))].flatMap(
    ([key, { conditions }]) =>
      conditions
        .filter(({ type }) => type === 'PriceMissing')
        .flatMap(({ message }) => found(`ModelTenant/${key}`, message)),
  )
}

function tenantsOfKeys({ tenants, keys }: ResourceSnapshot): readonly CrossFinding[] {
  const ownerOf = createOwnership(tenants.values())
  return [...keys].flatMap(([name, key]) =>
    tenantOfKey(key, ownerOf(key.metadata)) === undefined
      ? found(
          `TenantKey/${name}`,
          `no ModelTenant in these files ${key.spec.tenantRef === undefined ? '' : `named ${key.spec.tenantRef.name} `}claims namespace ${key.metadata.namespace}, so this key opens nothing`,
        )
      : [],
  )
}

function tenantsOfAdapters({ tenants, adapters }: ResourceSnapshot): readonly CrossFinding[] {
  const ownerOf = createOwnership(tenants.values())
  const shared = new Set(
    [...tenants.values()].flatMap((tenant) =>
      tenant.spec.models.map(({ targetRef }) => `${targetRef.namespace}/${targetRef.name}`),
    ),
  )
  return [...adapters].flatMap(([key, adapter]) =>
    ownerOf(adapter.metadata).owner === undefined && !shared.has(key)
      ? found(
          `LoraAdapter/${key}`,
          `no ModelTenant in these files claims namespace ${adapter.metadata.namespace}, so nobody can call it`,
        )
      : [],
  )
}

function repeatedHashes({ keys }: ResourceSnapshot): readonly CrossFinding[] {
  const holders = new Map<string, string>()
  return [...keys.values()].flatMap((key) => {
    const holder = holders.get(key.spec.sha256)
    holders.set(key.spec.sha256, holder ?? keyOf(key.metadata))
    return holder === undefined
      ? []
      : found(
          `TenantKey/${keyOf(key.metadata)}`,
          `\`spec.sha256\` is that of TenantKey ${holder}; the older one counts`,
        )
  })
}

function found(identity: string, message: string): readonly CrossFinding[] {
  return [{ identity, message }]
}
