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

export interface KnownOfAdapters {
  /** Of the present spec; the same value for as long as nothing else is known. */
  intakeOf(key: string, adapter: LoraAdapter): Intake | undefined
  statusOf(key: string): LoraAdapterStatus | undefined
}

type Grants = readonly (readonly [string, QuotaGrant])[]

/** What each tenant's quota leaves its adapters; worked out again only for tenants where something has changed. */
export class AdapterQuotas {
  #of: readonly unknown[] = []
  #groups: Groups = new Map()

  /** Of adapters that do not get all they ask for; the others are not named. */
  grants(snapshot: ResourceSnapshot, known: KnownOfAdapters): ReadonlyMap<string, QuotaGrant> {
    const grants = new Map<string, QuotaGrant>()
    for (const group of this.#groupsOf(snapshot)) {
      for (const [key, grant] of group.grants(known)) {
        grants.set(key, grant)
      }
    }
    return grants
  }

  #groupsOf(snapshot: ResourceSnapshot): Iterable<Group> {
    const of = [snapshot.adapters, snapshot.tenants]
    if (!of.every((one, at) => one === this.#of[at])) {
      this.#of = of
      this.#groups = regroup(snapshot, this.#groups)
    }
    return this.#groups.values()
  }
}

type Groups = ReadonlyMap<ModelTenant, Group>

/** The adapters of one tenant. */
class Group {
  readonly #tenant: ModelTenant
  /** Oldest first. */
  readonly #members: readonly Member[]
  readonly #intakes: (Intake | undefined)[] = []
  #grants: Grants = []
  /** Statuses have no part in it. */
  #isSettled = false

  constructor(tenant: ModelTenant, members: readonly LoraAdapter[]) {
    this.#tenant = tenant
    this.#members = members.map((adapter) => ({ key: keyOf(adapter.metadata), adapter }))
  }

  isOf(members: readonly LoraAdapter[]): boolean {
    return (
      members.length === this.#members.length &&
      members.every((adapter, at) => adapter === this.#members[at]?.adapter)
    )
  }

  grants(known: KnownOfAdapters): Grants {
    if (this.#hasChanged(known)) {
      this.#isSettled = this.#intakes.every((intake) => intake?.state === 'Accepted')
      this.#grants = this.#workOut(known)
    }
    return this.#grants
  }

  #hasChanged(known: KnownOfAdapters): boolean {
    let isSame = this.#isSettled
    for (const [at, { key, adapter }] of this.#members.entries()) {
      const intake = known.intakeOf(key, adapter)
      isSame &&= intake === this.#intakes[at]
      this.#intakes[at] = intake
    }
    return !isSame
  }

  #workOut(known: KnownOfAdapters): Grants {
    const claims = this.#members.map(({ key, adapter }, at) =>
      quotaClaimOf(adapter, this.#intakes[at], () => known.statusOf(key)),
    )
    return grantQuota(this.#tenant.spec.adapterQuota, claims).flatMap((grant, at) => {
      const { key } = this.#members[at] ?? {}
      const isWhole = grant.excess === undefined && grant.shortage === undefined
      return key === undefined || isWhole ? [] : [[key, grant] as const]
    })
  }
}

/** Groups in which nobody came, went or changed are those of before. */
function regroup({ adapters, tenants }: ResourceSnapshot, before: Groups): Groups {
  const ownerOf = createOwnership(tenants.values())
  const groups = new Map<ModelTenant, LoraAdapter[]>()
  for (const adapter of adapters.values()) {
    const tenant = ownerOf(adapter.metadata).owner
    if (tenant !== undefined) {
      const members = groups.get(tenant)
      if (members === undefined) {
        groups.set(tenant, [adapter])
      } else {
        members.push(adapter)
      }
    }
  }
  const made = new Map<ModelTenant, Group>()
  for (const [tenant, members] of groups) {
    const known = before.get(tenant)
    members.sort(byAge)
    made.set(tenant, known?.isOf(members) === true ? known : new Group(tenant, members))
  }
  return made
}
