import type { LoraAdapterStatus, RevisionStatus } from '../api/condition.ts'
import type { ResourceSnapshot } from '../api/kinds.ts'
import { modelNameOf, poolKeyOf, type LoraAdapter } from '../api/lora-adapter.ts'
import { keyOf, type ObjectMeta } from '../api/metadata.ts'
import type { ModelPool } from '../api/model-pool.ts'
import type { ModelTenant } from '../api/model-tenant.ts'
import type { TenantKey } from '../api/tenant-key.ts'
import { Memo } from './memo.ts'
import { quotaExceeded } from './quota-exceeded.ts'
import { byAge, createOwnership, namespacesOf, type Ownership } from './ownership.ts'
import { shownNamesOf, type ShownNames } from './shown-names.ts'
import { targetTermsOf, termsOf, type TargetTerms, type Terms } from './terms.ts'

/** What a name stands for, for one tenant at one moment. */
export interface RouteTarget {
  /** What the caller writes and reads back in `model`. */
  readonly name: string
  readonly poolKey: string
  readonly pool: ModelPool
  /** `namespace/name`; undefined for the base model. */
  readonly adapterKey: string | undefined
  /** What answers: undefined for the base, and while no revision has passed. */
  readonly revision: string | undefined
  readonly state: 'Ready' | 'OnDemand' | 'Loading' | 'Failed' | 'Suspended'
  readonly reason: string
  readonly message: string
  readonly createdMs: number
  /** What the tenant's `models[]` says of it. */
  readonly terms: TargetTerms | undefined
}

/** A key and everything it may call. */
export interface Caller {
  readonly keyKey: string
  readonly tenant: string
  /** The tenant's share of a contended pool, beside the others'. */
  readonly weight: number
  readonly suspended: boolean
  readonly revoked: boolean
  readonly expiresAtMs: number
  readonly terms: Terms
  readonly names: ShownNames
  /** By every name that works, `<namespace>/<name>` included. */
  readonly targets: ReadonlyMap<string, RouteTarget>
  /** One entry a target, by its preferred name; what `/v1/models` lists. */
  readonly listed: readonly RouteTarget[]
}

/** A gateway's whole knowledge of who may call what, replaced as one value (I1, I7, I13). */
export interface RoutingTable {
  /** By hex SHA-256 of the whole key string. */
  readonly callers: ReadonlyMap<string, Caller>
  /** Revisions that answer for some adapter, called by somebody or not. */
  readonly revisions: ReadonlySet<string>
  readonly pools: ReadonlyMap<string, ModelPool>
}

export interface ResolveInput {
  readonly snapshot: ResourceSnapshot
  readonly statusOf: (adapterKey: string) => LoraAdapterStatus | undefined
  /** The same value for as long as no status changes; absent: each is looked at. */
  readonly statuses?: object
}

/** Two adapters that want one name in one place: the older holds it. By the loser's key. */
export type NameConflicts = ReadonlyMap<string, string>

/** @param memo of the build before, where there was one: a change then costs what it changes, not the whole table. */
export function buildRoutingTable(input: ResolveInput, memo = new Memo()): RoutingTable {
  memo.begin()
  const { snapshot } = input
  const tenants = [...snapshot.tenants.values()]
  const ownerOf = memo.recall('owners', tenants, () => rememberOwners(createOwnership(tenants)))
  const adaptersByTenant = memo.recall('groups', [snapshot.adapters, ownerOf], () =>
    groupByTenant(snapshot.adapters.values(), ownerOf),
  )
  const scopes = new Map<string, Scope>()
  const callers = new Map<string, Caller>()
  for (const key of [...snapshot.keys.values()].sort(byAge)) {
    const tenant = tenantOfKey(key, ownerOf(key.metadata))
    if (tenant === undefined || callers.has(key.spec.sha256)) {
      continue
    }
    const scopeKey = `${tenant.metadata.name}\0${key.metadata.namespace}`
    let scope = scopes.get(scopeKey)
    if (scope === undefined) {
      const adapters = adaptersByTenant.get(tenant.metadata.name) ?? []
      scope = scopeOf(tenant, key.metadata.namespace, adapters, input, memo)
      scopes.set(scopeKey, scope)
    }
    const { sha256 } = key.spec
    callers.set(
      sha256,
      memo.recall(`key ${sha256}`, [key, scope], () => callerOf(key, tenant, scope)),
    )
  }
  return { callers, revisions: revisionsOf(input, memo), pools: snapshot.pools }
}

/** Whether or not somebody has a key yet: an adapter is ready before its first caller is. */
function revisionsOf(input: ResolveInput, memo: Memo): ReadonlySet<string> {
  const { snapshot, statusOf, statuses } = input
  const find = (): ReadonlySet<string> => {
    const revisions = new Set<string>()
    for (const adapter of snapshot.adapters.values()) {
      const active = adapter.spec.suspend
        ? undefined
        : activeRevision(statusOf(keyOf(adapter.metadata)))
      if (active !== undefined && snapshot.pools.has(poolKeyOf(adapter))) {
        revisions.add(active.revision)
      }
    }
    return revisions
  }
  return statuses === undefined
    ? find()
    : memo.recall('revisions', [snapshot.adapters, snapshot.pools, statuses], find)
}

function activeRevision(status: LoraAdapterStatus | undefined): RevisionStatus | undefined {
  return status?.revisions.find((revision) => revision.role === 'Active')
}

function scopeOf(
  tenant: ModelTenant,
  namespace: string,
  adapters: readonly LoraAdapter[],
  input: ResolveInput,
  memo: Memo,
): Scope {
  const key = `${tenant.metadata.name}\0${namespace}`
  const build = (): Scope =>
    memo.recall(`scope ${key}`, partsOf(tenant, adapters, input, memo), () =>
      buildScope(tenant, namespace, adapters.toSorted(byAge), input),
    )
  const { snapshot, statuses } = input
  if (statuses === undefined) {
    return build()
  }
  // Where neither adapters nor statuses changed at all, as when a key was revoked, none of them is looked at.
  const whole = [tenant, snapshot.adapters, snapshot.pools, statuses]
  const scope = memo.recall(`whole ${key}`, whole, build)
  memo.keep(`scope ${key}`)
  return scope
}

/** Everything that a tenant's scope is made of. */
function partsOf(
  tenant: ModelTenant,
  adapters: readonly LoraAdapter[],
  { snapshot, statusOf }: ResolveInput,
  memo: Memo,
): readonly unknown[] {
  const pools = memo.recall('pools', [...snapshot.pools.values()], () => ({}))
  const parts: unknown[] = [tenant, pools]
  for (const adapter of adapters) {
    parts.push(adapter, statusOf(keyOf(adapter.metadata)))
  }
  for (const { targetRef } of tenant.spec.models) {
    const key = `${targetRef.namespace}/${targetRef.name}`
    parts.push(snapshot.adapters.get(key), statusOf(key))
  }
  return parts
}

function rememberOwners(
  find: (object: ObjectMeta) => Ownership,
): (object: ObjectMeta) => Ownership {
  const known = new WeakMap<ObjectMeta, Ownership>()
  return (object) => {
    const owner = known.get(object) ?? find(object)
    known.set(object, owner)
    return owner
  }
}

/** A key is its namespace's tenant's; naming another tenant does not make it theirs. */
export function tenantOfKey(key: TenantKey, ownership: Ownership): ModelTenant | undefined {
  const claimants = ownership.owner === undefined ? [] : [ownership.owner, ...ownership.rivals]
  const wanted = key.spec.tenantRef?.name
  return wanted === undefined
    ? ownership.owner
    : claimants.find((tenant) => tenant.metadata.name === wanted)
}

export function findNameConflicts(snapshot: ResourceSnapshot): NameConflicts {
  const ownerOf = createOwnership(snapshot.tenants.values())
  const holders = new Map<string, LoraAdapter>()
  const places = new Map<LoraAdapter, string>()
  for (const adapter of snapshot.adapters.values()) {
    const owner = ownerOf(adapter.metadata).owner?.metadata.name ?? ''
    const place = `${owner}\0${adapter.metadata.namespace}\0${modelNameOf(adapter)}`
    const holder = holders.get(place)
    places.set(adapter, place)
    if (holder === undefined || byAge(adapter, holder) < 0) {
      holders.set(place, adapter)
    }
  }
  const conflicts = new Map<string, string>()
  for (const [adapter, place] of places) {
    const holder = holders.get(place)
    if (holder !== undefined && holder !== adapter) {
      conflicts.set(keyOf(adapter.metadata), keyOf(holder.metadata))
    }
  }
  return conflicts
}

/** Whether the pool's owner lets this namespace attach adapters. */
export function mayAttach(pool: ModelPool, namespace: string, snapshot: ResourceSnapshot): boolean {
  const { from, selector } = pool.spec.allowedNamespaces
  switch (from) {
    case 'All':
      return true
    case 'Same':
      return namespace === pool.metadata.namespace
    case 'Selector': {
      const labels = snapshot.namespaces.get(namespace)?.labels ?? {}
      return Object.entries(selector?.matchLabels ?? {}).every(
        ([name, value]) => labels[name] === value,
      )
    }
    default:
      return from satisfies never
  }
}

/** What a tenant's keys in one namespace may call. */
interface Scope {
  readonly targets: ReadonlyMap<string, RouteTarget>
  readonly listed: readonly RouteTarget[]
}

function groupByTenant(
  adapters: Iterable<LoraAdapter>,
  ownerOf: (object: LoraAdapter['metadata']) => Ownership,
): ReadonlyMap<string, readonly LoraAdapter[]> {
  const groups = new Map<string, LoraAdapter[]>()
  for (const adapter of adapters) {
    const owner = ownerOf(adapter.metadata).owner?.metadata.name
    if (owner !== undefined) {
      const group = groups.get(owner)
      if (group === undefined) {
        groups.set(owner, [adapter])
      } else {
        group.push(adapter)
      }
    }
  }
  return groups
}

/**
 * Names in the order of DESIGN section 4: the key's namespace, then the tenant's in order, then `models[]`.
 * `<namespace>/<name>` always works, so no plain name takes its place.
 */
function buildScope(
  tenant: ModelTenant,
  keyNamespace: string,
  adapters: readonly LoraAdapter[],
  input: ResolveInput,
): Scope {
  const plain: RouteTarget[] = []
  const targets = new Map<string, RouteTarget>()
  const byNamespace = Map.groupBy(adapters, ({ metadata }) => metadata.namespace)
  const own = new Set<string | undefined>(adapters.map(({ metadata }) => keyOf(metadata)))
  for (const namespace of new Set([keyNamespace, ...namespacesOf(tenant)])) {
    for (const adapter of byNamespace.get(namespace) ?? []) {
      const target = adapterTarget(adapter, modelNameOf(adapter), tenant, input)
      const qualified = `${namespace}/${modelNameOf(adapter)}`
      if (target !== undefined && !targets.has(qualified)) {
        plain.push(target)
        targets.set(qualified, { ...target, name: qualified })
      }
    }
  }
  for (const extra of tenant.spec.models) {
    const target = extraTarget(extra, tenant, adapters, input)
    if (target !== undefined) {
      // I7: the words of a condition are for whoever's adapter it is.
      plain.push(own.has(target.adapterKey) ? target : { ...target, message: '' })
    }
  }
  const listed = plain.filter((target) => {
    if (targets.has(target.name)) {
      return false
    }
    targets.set(target.name, target)
    return true
  })
  return { targets, listed }
}

function extraTarget(
  extra: ModelTenant['spec']['models'][number],
  tenant: ModelTenant,
  own: readonly LoraAdapter[],
  input: ResolveInput,
): RouteTarget | undefined {
  const key = `${extra.targetRef.namespace}/${extra.targetRef.name}`
  if (extra.targetRef.kind === 'LoraAdapter') {
    const adapter = input.snapshot.adapters.get(key)
    const target = adapter && adapterTarget(adapter, extra.name, tenant, input)
    // I7: what its owner's quota is, is nobody else's business.
    return adapter === undefined || target?.reason !== quotaExceeded || own.includes(adapter)
      ? target
      : { ...target, message: '' }
  }
  const pool = input.snapshot.pools.get(key)
  return pool === undefined
    ? undefined
    : {
        name: extra.name,
        poolKey: key,
        pool,
        adapterKey: undefined,
        revision: undefined,
        state: 'Ready',
        reason: 'BaseModel',
        message: '',
        createdMs: pool.metadata.creationTimeMs,
        terms: targetTermsOf(tenant, 'ModelPool', key),
      }
}

function adapterTarget(
  adapter: LoraAdapter,
  name: string,
  tenant: ModelTenant,
  input: ResolveInput,
): RouteTarget | undefined {
  const poolKey = poolKeyOf(adapter)
  const pool = input.snapshot.pools.get(poolKey)
  if (pool === undefined) {
    return undefined
  }
  const status = input.statusOf(keyOf(adapter.metadata))
  const active = activeRevision(status)
  const ready = status?.conditions.find((condition) => condition.type === 'Ready')
  const base = {
    name,
    poolKey,
    pool,
    adapterKey: keyOf(adapter.metadata),
    createdMs: adapter.metadata.creationTimeMs,
    terms: targetTermsOf(tenant, 'LoraAdapter', keyOf(adapter.metadata)),
  }
  const words = { reason: ready?.reason ?? 'Pending', message: ready?.message ?? '' }
  if (adapter.spec.suspend) {
    return { ...base, ...words, revision: undefined, state: 'Suspended' }
  }
  if (active !== undefined) {
    return {
      ...base,
      ...words,
      revision: active.revision,
      state: ready?.reason === 'OnDemand' ? 'OnDemand' : 'Ready',
    }
  }
  const isComing = ready === undefined || comingReasons.has(ready.reason)
  return { ...base, ...words, revision: undefined, state: isComing ? 'Loading' : 'Failed' }
}

/** Reasons of `Ready=False` that end by themselves. */
export const comingReasons: ReadonlySet<string> = new Set([
  'Fetching',
  'Loading',
  'WaitingForGateways',
])

function callerOf(key: TenantKey, tenant: ModelTenant, scope: Scope): Caller {
  const { targets, listed } = key.spec.models === undefined ? scope : narrow(scope, key.spec.models)
  return {
    keyKey: keyOf(key.metadata),
    tenant: tenant.metadata.name,
    weight: tenant.spec.weight,
    suspended: tenant.spec.suspend,
    terms: termsOf(tenant, key),
    revoked: key.spec.revoked,
    expiresAtMs:
      key.spec.expirationTime === undefined
        ? Number.POSITIVE_INFINITY
        : Date.parse(key.spec.expirationTime),
    names: shownNamesOf(tenant),
    targets,
    listed,
  }
}

/** A key's allow-list names what may be called, letter by letter; a full name does not allow the short one. */
function narrow(scope: Scope, allowed: readonly string[]): Scope {
  const targets = new Map<string, RouteTarget>()
  for (const name of allowed) {
    const target = scope.targets.get(name)
    if (target !== undefined) {
      targets.set(name, target)
    }
  }
  const listed = scope.listed.filter((target) => targets.has(target.name))
  const shown = new Set(listed.map((target) => target.adapterKey))
  const others = [...targets.values()].filter(
    (target) => target.adapterKey !== undefined && !shown.has(target.adapterKey),
  )
  return { targets, listed: [...listed, ...others] }
}
