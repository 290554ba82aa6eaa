import type { ResourceSnapshot } from '../api/kinds.ts'
import { poolKeyOf } from '../api/lora-adapter.ts'
import type { ModelTenant } from '../api/model-tenant.ts'
import { pricesOf } from './prices.ts'

/**
 * Pools that a tenant with a budget in money may call and that have no prices: there its calls are refused, or not counted
 * where the budget only warns.
 * @param adapterPools keys of the pools of its own adapters
 */
export function unpricedPoolsOf(
  tenant: ModelTenant,
  adapterPools: Iterable<string>,
  { pools, adapters }: ResourceSnapshot,
): readonly string[] {
  if (tenant.spec.budgets.every(({ amount }) => amount === undefined)) {
    return []
  }
  const callable = new Set(adapterPools)
  for (const { targetRef } of tenant.spec.models) {
    const key = `${targetRef.namespace}/${targetRef.name}`
    const adapter = targetRef.kind === 'LoraAdapter' ? adapters.get(key) : undefined
    callable.add(adapter === undefined ? key : poolKeyOf(adapter))
  }
  return [...callable]
    .filter((key) => {
      const pool = pools.get(key)
      return pool !== undefined && pricesOf(pool).tokens === undefined
    })
    .sort()
}
