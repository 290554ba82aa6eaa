import {
  withCondition,
  type Condition,
  type LoraAdapterStatus,
  type ModelPoolStatus,
  type ModelTenantStatus,
  type TenantKeyStatus,
} from '../api/condition.ts'
import type { ResourceSnapshot } from '../api/kinds.ts'
import { poolKeyOf } from '../api/lora-adapter.ts'
import { keyOf, type ObjectMeta } from '../api/metadata.ts'
import type { ModelPool } from '../api/model-pool.ts'
import type { ModelTenant } from '../api/model-tenant.ts'
import type { TenantKey } from '../api/tenant-key.ts'
import { createOwnership, namespacesOf } from './ownership.ts'
import { tenantOfKey } from './resolve.ts'
import { unpricedPoolsOf } from './unpriced-pools.ts'

export interface Verdict {
  readonly type: string
  readonly status: Condition['status']
  readonly reason: string
  readonly message: string
}

/** What a cluster knows of a pool beyond its replicas' own words. */
export interface PoolFacts {
  /** Pods asked for now; those without an address yet are not among the replicas that speak. */
  readonly replicas?: number
  /** What `scaling`, or `replicas`, comes to now. */
  readonly desiredReplicas?: number
  /** Replicas with the pods that the present spec asks for. */
  readonly updatedReplicas?: number
  /** Label selector of the pods, as text: `/scale` shows it. */
  readonly selector?: string
  /** Conditions beside `Ready`. */
  readonly verdicts: readonly Verdict[]
}

function conditionsOf(
  verdicts: readonly Verdict[],
  metadata: ObjectMeta,
  previous: readonly Condition[] | undefined,
  now: Date,
): { readonly observedGeneration: number; readonly conditions: readonly Condition[] } {
  const types = new Set(verdicts.map((verdict) => verdict.type))
  const kept = (previous ?? []).filter((condition) => types.has(condition.type))
  return {
    observedGeneration: metadata.generation,
    conditions: verdicts.reduce<readonly Condition[]>(
      (all, verdict) =>
        withCondition(all, { ...verdict, observedGeneration: metadata.generation }, now),
      kept,
    ),
  }
}

export interface PoolSnapshot {
  readonly pool: ModelPool
  readonly replicas: readonly {
    readonly name: string
    readonly ready: boolean
    readonly detail: string
  }[]
  readonly engine: { readonly version: string; readonly simulated: boolean } | undefined
  /** Why no engine could be made, if so. */
  readonly failure: string | undefined
  readonly facts: PoolFacts
  /** Undefined: not enough was seen yet; what an earlier controller saw of this spec holds. */
  readonly advice?: ModelPoolStatus['advice']
  readonly adapters: readonly LoraAdapterStatus[]
  readonly previous: ModelPoolStatus | undefined
  readonly now: Date
}

export function planPoolStatus(snapshot: PoolSnapshot): ModelPoolStatus {
  const { pool, replicas, engine, adapters, previous, now, facts } = snapshot
  const advice =
    snapshot.advice ??
    (previous?.observedGeneration === pool.metadata.generation ? previous.advice : undefined)
  const { verdicts, ...counts } = facts
  const ready = replicas.filter((replica) => replica.ready)
  const wanted = pool.spec.engine.endpoints.length || (counts.desiredReplicas ?? pool.spec.replicas)
  const isReady = (status: LoraAdapterStatus): boolean =>
    status.conditions.some((condition) => condition.type === 'Ready' && condition.status === 'True')
  return {
    ...conditionsOf(
      [judgePool(snapshot, ready.length, wanted), ...verdicts],
      pool.metadata,
      previous?.conditions,
      now,
    ),
    replicas: replicas.length,
    readyReplicas: ready.length,
    ...counts,
    ...(engine === undefined ? {} : { engine }),
    ...(advice === undefined ? {} : { advice }),
    adapters: { routable: adapters.filter(isReady).length, wanted: adapters.length },
  }
}

function judgePool(
  { pool, replicas, failure }: PoolSnapshot,
  ready: number,
  wanted: number,
): Verdict {
  const verdict = (status: Condition['status'], reason: string, message: string): Verdict => ({
    type: 'Ready',
    status,
    reason,
    message,
  })
  if (pool.spec.paused) {
    return verdict(
      ready > 0 ? 'True' : 'False',
      'Paused',
      'spec.paused is true: engines are left as they are.',
    )
  }
  if (failure !== undefined) {
    return verdict('False', 'EngineNotMade', failure)
  }
  if (wanted === 0) {
    return verdict(
      'True',
      'OnDemand',
      pool.spec.scaling === undefined
        ? 'spec.replicas is 0.'
        : 'Nothing is asked of it; the first call starts a replica.',
    )
  }
  if (ready >= wanted) {
    return verdict('True', 'Ready', `${ready} of ${wanted} replicas are ready.`)
  }
  const waiting = replicas.find((replica) => !replica.ready)
  return verdict(
    'False',
    ready > 0 ? 'SomeReplicasReady' : 'EngineStarting',
    `${ready} of ${wanted} replicas are ready. ${waiting?.detail ?? ''}`.trim(),
  )
}

/** Statuses of all tenants: what is theirs, and where an older tenant holds what they claim too. */
export function planTenantStatuses(
  snapshot: ResourceSnapshot,
  previousOf: (key: string) => ModelTenantStatus | undefined,
  now: Date,
): ReadonlyMap<string, ModelTenantStatus> {
  const ownerOf = createOwnership(snapshot.tenants.values())
  const counts = new Map<string, TenantCounts>()
  const countOf = (tenant: string) => {
    const found = counts.get(tenant) ?? { adapters: 0, keys: 0, lost: new Set(), pools: new Set() }
    counts.set(tenant, found)
    return found
  }
  const count = (metadata: ObjectMeta, what: 'adapters' | 'keys'): ModelTenant | undefined => {
    const { owner, rivals } = ownerOf(metadata)
    if (owner !== undefined) {
      countOf(owner.metadata.name)[what] += 1
      for (const rival of rivals) {
        countOf(rival.metadata.name).lost.add(`${keyOf(metadata)} (held by ${owner.metadata.name})`)
      }
    }
    return owner
  }
  for (const adapter of snapshot.adapters.values()) {
    const owner = count(adapter.metadata, 'adapters')
    if (owner !== undefined) {
      countOf(owner.metadata.name).pools.add(poolKeyOf(adapter))
    }
  }
  snapshot.keys.forEach((key) => count(key.metadata, 'keys'))
  return new Map(
    [...snapshot.tenants].map(([key, tenant]) => {
      const { adapters, keys, lost, pools } = countOf(tenant.metadata.name)
      const unpriced = unpricedPoolsOf(tenant, pools, snapshot)
      const conditions = conditionsOf(
        judgeTenant(tenant, [...lost], unpriced),
        tenant.metadata,
        previousOf(key)?.conditions,
        now,
      )
      return [key, { ...conditions, namespaces: namespacesOf(tenant), adapters, keys }]
    }),
  )
}

interface TenantCounts {
  adapters: number
  keys: number
  /** Objects that it claims and does not hold. */
  readonly lost: Set<string>
  /** Of its adapters. */
  readonly pools: Set<string>
}

function judgeTenant(
  tenant: ModelTenant,
  lost: readonly string[],
  unpriced: readonly string[],
): readonly Verdict[] {
  const ready: Verdict = tenant.spec.suspend
    ? {
        type: 'Ready',
        status: 'False',
        reason: 'Suspended',
        message: 'spec.suspend is true: its keys are answered with 403.',
      }
    : { type: 'Ready', status: 'True', reason: 'Ready', message: '' }
  const verdicts: Verdict[] = [ready]
  if (lost.length > 0) {
    const message = `Older tenants hold what this one claims too: ${firstFive(lost)}.`
    const reason = 'OlderTenantHoldsIt'
    verdicts.push({ type: 'OwnershipConflict', status: 'True', reason, message })
  }
  if (unpriced.length > 0) {
    const budgets = tenant.spec.budgets.filter(({ amount }) => amount !== undefined)
    const blocks = budgets.some(({ action }) => action === 'Block')
    const effect = blocks ? 'calls there are refused (price_missing)' : 'calls there do not count'
    const message = `Budgets in money (${firstFive(budgets.map(({ name }) => name))}) need prices, and these pools have none: ${firstFive(unpriced)}; ${effect}. Write their spec.pricing.`
    verdicts.push({ type: 'PriceMissing', status: 'True', reason: 'PoolWithoutPrices', message })
  }
  return verdicts
}

function firstFive(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : ''
  return `${names.slice(0, 5).join(', ')}${more}`
}

export function planKeyStatuses(
  snapshot: ResourceSnapshot,
  previousOf: (key: string) => TenantKeyStatus | undefined,
  now: Date,
): ReadonlyMap<string, TenantKeyStatus> {
  const ownerOf = createOwnership(snapshot.tenants.values())
  return new Map(
    [...snapshot.keys].map(([keyKey, key]) => {
      const tenant = tenantOfKey(key, ownerOf(key.metadata))?.metadata.name
      const conditions = conditionsOf(
        [judgeKey(key, tenant, now)],
        key.metadata,
        previousOf(keyKey)?.conditions,
        now,
      )
      return [keyKey, { ...conditions, ...(tenant === undefined ? {} : { tenant }) }]
    }),
  )
}

function judgeKey(key: TenantKey, tenant: string | undefined, now: Date): Verdict {
  const no = (reason: string, message: string): Verdict => ({
    type: 'Ready',
    status: 'False',
    reason,
    message,
  })
  if (key.spec.revoked) {
    return no('Revoked', 'spec.revoked is true; a revoked key does not come back.')
  }
  if (
    key.spec.expirationTime !== undefined &&
    Date.parse(key.spec.expirationTime) <= now.getTime()
  ) {
    return no('Expired', `It expired at ${key.spec.expirationTime}.`)
  }
  if (tenant === undefined) {
    return no(
      'NoTenant',
      `No ModelTenant claims namespace ${key.metadata.namespace} for this key. Name the namespace in a tenant's spec.namespaces, or correct spec.tenantRef.`,
    )
  }
  return { type: 'Ready', status: 'True', reason: 'Ready', message: '' }
}

/** Statuses of a pool's adapters, by pool. */
export function groupByPool(
  snapshot: ResourceSnapshot,
  statusOf: (adapterKey: string) => LoraAdapterStatus | undefined,
): ReadonlyMap<string, readonly LoraAdapterStatus[]> {
  const groups = new Map<string, LoraAdapterStatus[]>()
  for (const [key, adapter] of snapshot.adapters) {
    const status = statusOf(key)
    if (status !== undefined) {
      const pool = poolKeyOf(adapter)
      const group = groups.get(pool)
      if (group === undefined) {
        groups.set(pool, [status])
      } else {
        group.push(status)
      }
    }
  }
  return groups
}
