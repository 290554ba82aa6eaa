import type { LoraAdapterStatus } from '../api/condition.ts'
import type { ResourceSnapshot } from '../api/kinds.ts'
import type { LoraAdapter } from '../api/lora-adapter.ts'
import { keyOf } from '../api/metadata.ts'
import type { ModelTenant } from '../api/model-tenant.ts'
import type { Intake } from './adapter-plan.ts'
import { grantQuota, type QuotaGrant } from './adapter-quota.ts'
import { byAge, createOwnership } from './ownership.ts'
import { quotaClaimOf } from './quota-claim.ts'

interface Member {
  readonly key: string
  readonly adapter: LoraAdapter
}

interface Group {
  readonly tenant: ModelTenant
  /** Oldest first. */
  readonly members: readonly Member[]
}

export interface KnownOfAdapters {
  intakeOf(key: string, adapter: LoraAdapter): Intake | undefined
  statusOf(key: string): LoraAdapterStatus | undefined
}

/** What each tenant's quota leaves its adapters; who belongs to whom is worked out only when objects change. */
export class AdapterQuotas {
  #known: { readonly of: readonly unknown[]; readonly groups: readonly Group[] } | undefined

  /** Of adapters that do not get all they ask for; the others are not named. */
  grants(snapshot: ResourceSnapshot, known: KnownOfAdapters): ReadonlyMap<string, QuotaGrant> {
    const grants = new Map<string, QuotaGrant>()
    for (const { tenant, members } of this.#groupsOf(snapshot)) {
      const claims = members.map(({ key, adapter }) =>
        quotaClaimOf(adapter, known.intakeOf(key, adapter), known.statusOf(key)),
      )
      for (const [at, grant] of grantQuota(tenant.spec.adapterQuota, claims).entries()) {
        const key = members[at]?.key
        if (key !== undefined && (grant.excess !== undefined || grant.shortage !== undefined)) {
          grants.set(key, grant)
        }
      }
    }
    return grants
  }

  #groupsOf(snapshot: ResourceSnapshot): readonly Group[] {
    const of = [snapshot.adapters, snapshot.tenants]
    if (this.#known === undefined || !of.every((one, at) => one === this.#known?.of[at])) {
      this.#known = { of, groups: groupsOf(snapshot) }
    }
    return this.#known.groups
  }
}

function groupsOf({ adapters, tenants }: ResourceSnapshot): readonly Group[] {
  const ownerOf = createOwnership(tenants.values())
  const groups = new Map<ModelTenant, Member[]>()
  for (const adapter of [...adapters.values()].sort(byAge)) {
    const tenant = ownerOf(adapter.metadata).owner
    if (tenant !== undefined) {
      const members = groups.get(tenant) ?? []
      groups.set(tenant, members)
      members.push({ key: keyOf(adapter.metadata), adapter })
    }
  }
  return [...groups].map(([tenant, members]) => ({ tenant, members }))
}
