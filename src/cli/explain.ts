import type { ResourceSnapshot } from '../api/kinds.ts'
import { modelNameOf, poolKeyOf, type LoraAdapter } from '../api/lora-adapter.ts'
import { keyOf } from '../api/metadata.ts'
import type { ModelPool } from '../api/model-pool.ts'
import type { ModelTenant } from '../api/model-tenant.ts'
import { nearestName } from '../api/nearest-name.ts'
import type { TenantKey } from '../api/tenant-key.ts'
import { createOwnership, namespacesOf } from '../core/ownership.ts'
import { pricesOf } from '../core/prices.ts'
import {
  buildRoutingTable,
  findNameConflicts,
  tenantOfKey,
  type Caller,
  type ResolveInput,
  type RouteTarget,
} from '../core/resolve.ts'
import type { ErrorCode } from '../errors.ts'

export interface Explanation {
  /** What a caller with a plain key of the tenant gets; undefined for an answer. */
  readonly code: ErrorCode | undefined
  /** In the order in which a request meets them. */
  readonly lines: readonly string[]
}

/** A key that every tenant could have: no allow-list, no end. */
const plainKey = 'explain'

/** Why a name answers as it does for a tenant; what the gateway's 404 must not say to callers (I7). */
export function explain(
  input: ResolveInput,
  tenantName: string,
  name: string,
  nowMs: number,
): Explanation {
  const { snapshot } = input
  const tenant = snapshot.tenants.get(tenantName)
  if (tenant === undefined) {
    const near = nearestName(tenantName, snapshot.tenants.keys())
    return {
      code: 'invalid_api_key',
      lines: [
        `There is no ModelTenant ${tenantName}, so no key of it works.${near === undefined ? '' : ` Did you mean ${near}?`}`,
      ],
    }
  }
  const table = buildRoutingTable(withPlainKey(input, tenant))
  const target = table.callers.get(plainKey)?.targets.get(name)
  const lines = [
    `ModelTenant ${tenantName} holds the namespaces ${namespacesOf(tenant).join(', ')}.`,
    ...keyLines(snapshot, tenant, name, table.callers, nowMs),
    ...(target === undefined
      ? missingLines(input, tenant, name, table.callers.get(plainKey))
      : targetLines(target)),
  ]
  const budget = target === undefined ? undefined : unpricedBudgetOf(tenant, target.pool)
  if (budget !== undefined) {
    lines.push(
      `Its budget ${budget} is in money, and ModelPool ${target?.poolKey} has no \`spec.pricing\`, so nothing of that pool is answered.`,
    )
  }
  if (tenant.spec.suspend) {
    lines.push('The tenant is suspended (`spec.suspend`), whatever it calls.')
  }
  const code = codeOf(target) ?? (budget === undefined ? undefined : 'price_missing')
  return { code: tenant.spec.suspend ? 'tenant_suspended' : code, lines }
}

/** The first budget that would be spent without end there. */
function unpricedBudgetOf(tenant: ModelTenant, pool: ModelPool): string | undefined {
  return pricesOf(pool).tokens === undefined
    ? tenant.spec.budgets.find(({ amount, action }) => amount !== undefined && action === 'Block')
        ?.name
    : undefined
}

function codeOf(target: RouteTarget | undefined): ErrorCode | undefined {
  if (target === undefined) {
    return 'model_not_found'
  }
  switch (target.state) {
    case 'Failed':
      return 'adapter_failed'
    case 'Suspended':
      return 'adapter_suspended'
    case 'Loading':
      return 'adapter_loading'
    case 'Ready':
    case 'OnDemand':
      return undefined
    default:
      return target.state satisfies never
  }
}

function targetLines(target: RouteTarget): readonly string[] {
  if (target.adapterKey === undefined) {
    return [`The name stands for the base model of ModelPool ${target.poolKey} (\`spec.models\`).`]
  }
  const state = `${target.state}${target.reason === target.state ? '' : `, reason ${target.reason}`}`
  return [
    `The name stands for LoraAdapter ${target.adapterKey} on ModelPool ${target.poolKey}: ${state}.`,
    ...(target.revision === undefined
      ? [target.message].filter((words) => words !== '')
      : [`Revision ${target.revision} answers.`]),
  ]
}

/** Everything near the name that is not it, and why. */
function missingLines(
  input: ResolveInput,
  tenant: ModelTenant,
  name: string,
  caller: Caller | undefined,
): readonly string[] {
  const { snapshot } = input
  const near = nearestName(name, caller?.targets.keys() ?? [])
  const adapters = [...snapshot.adapters.values()].filter(
    (adapter) => modelNameOf(adapter) === name || keyOf(adapter.metadata) === name,
  )
  const pools = [...snapshot.pools.values()].filter(
    (pool) => (pool.spec.model.servedName ?? pool.metadata.name) === name,
  )
  const extra = tenant.spec.models.find((entry) => entry.name === name)
  return [
    `The name ${name} stands for nothing this tenant may call.`,
    ...(extra === undefined
      ? []
      : [
          `\`spec.models\` has it, but ${extra.targetRef.kind} ${extra.targetRef.namespace}/${extra.targetRef.name}, which it names, cannot be used: it is not there, or its pool is not.`,
        ]),
    ...adapters.map((adapter) => adapterLine(snapshot, tenant, adapter)),
    ...pools.map(
      (pool) =>
        `It is the name of the base of ModelPool ${keyOf(pool.metadata)}; a tenant may call that only with an entry in its \`spec.models\`.`,
    ),
    ...(near === undefined ? [] : [`Its nearest name is ${near}.`]),
  ]
}

function adapterLine(
  snapshot: ResourceSnapshot,
  tenant: ModelTenant,
  adapter: LoraAdapter,
): string {
  const key = keyOf(adapter.metadata)
  const { owner } = createOwnership(snapshot.tenants.values())(adapter.metadata)
  if (owner === undefined) {
    return `LoraAdapter ${key} has it, but no ModelTenant claims namespace ${adapter.metadata.namespace} (or its selector leaves the adapter out).`
  }
  if (owner !== tenant) {
    return `LoraAdapter ${key} has it, but belongs to ModelTenant ${owner.metadata.name}. To share it, name it in \`spec.models\` of this tenant.`
  }
  const holder = findNameConflicts(snapshot).get(key)
  if (holder !== undefined) {
    return `LoraAdapter ${key} has it, but so has LoraAdapter ${holder}, which is older and holds it.`
  }
  return snapshot.pools.has(poolKeyOf(adapter))
    ? `LoraAdapter ${key} has it; callers write ${modelNameOf(adapter)}.`
    : `LoraAdapter ${key} has it, but its ModelPool ${poolKeyOf(adapter)} is not there.`
}

/** Only keys that would not do are worth a line. */
function keyLines(
  snapshot: ResourceSnapshot,
  tenant: ModelTenant,
  name: string,
  callers: ReadonlyMap<string, Caller>,
  nowMs: number,
): readonly string[] {
  const ownerOf = createOwnership(snapshot.tenants.values())
  const keys = [...snapshot.keys.values()].filter(
    (key) => tenantOfKey(key, ownerOf(key.metadata)) === tenant,
  )
  if (keys.length === 0) {
    return [
      'It has no TenantKey, so nobody can call as this tenant; loraplex up gives it a starter key.',
    ]
  }
  return keys.flatMap((key) => {
    const words = keyWords(key, callers.get(key.spec.sha256), name, nowMs)
    return words === undefined ? [] : [`TenantKey ${keyOf(key.metadata)} ${words}`]
  })
}

function keyWords(
  key: TenantKey,
  caller: Caller | undefined,
  name: string,
  nowMs: number,
): string | undefined {
  if (key.spec.revoked) {
    return 'is revoked: 401.'
  }
  if (caller !== undefined && caller.expiresAtMs <= nowMs) {
    return `ended on ${key.spec.expirationTime ?? ''}: 401.`
  }
  if (caller?.keyKey !== keyOf(key.metadata)) {
    return 'has the hash of an older key, which counts instead.'
  }
  return key.spec.models !== undefined && !key.spec.models.includes(name)
    ? `does not allow this name (\`spec.models\` allows ${key.spec.models.join(', ') || 'none'}): 404.`
    : undefined
}

function withPlainKey(input: ResolveInput, tenant: ModelTenant): ResolveInput {
  const key: TenantKey = {
    kind: 'TenantKey',
    metadata: {
      ...tenant.metadata,
      name: plainKey,
      namespace: namespacesOf(tenant)[0] ?? tenant.metadata.name,
      labels: tenant.spec.namespaces?.[0]?.selector?.matchLabels ?? {},
    },
    spec: { tenantRef: { name: tenant.metadata.name }, sha256: plainKey, revoked: false },
  }
  const keys = new Map(input.snapshot.keys).set(plainKey, key)
  return { ...input, snapshot: { ...input.snapshot, keys } }
}
