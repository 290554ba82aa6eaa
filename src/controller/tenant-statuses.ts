import { isDeepStrictEqual } from 'node:util'
import type { StatusByKind } from '../api/condition.ts'
import type { ResourceSnapshot } from '../api/kinds.ts'
import { planKeyStatuses, planTenantStatuses } from '../core/statuses.ts'
import type { ResourceSource } from '../resources/resource-source.ts'

type Planned = 'ModelTenant' | 'TenantKey'
type Statuses<K extends Planned> = ReadonlyMap<string, StatusByKind[K]>

/** Statuses of tenants and keys; worked out anew only where objects or what their statuses say have changed. */
export class TenantStatuses {
  readonly #source: ResourceSource
  #parts: readonly unknown[] = []
  /** When the next key expires; Unix milliseconds. */
  #untilMs = 0
  #tenants: Statuses<'ModelTenant'> = new Map()
  #keys: Statuses<'TenantKey'> = new Map()

  constructor(source: ResourceSource) {
    this.#source = source
  }

  write(snapshot: ResourceSnapshot, now: Date): void {
    const parts = [snapshot.tenants, snapshot.keys, snapshot.adapters, snapshot.pools]
    const isSame =
      now.getTime() < this.#untilMs &&
      parts.every((part, at) => part === this.#parts[at]) &&
      this.#stand('ModelTenant', this.#tenants) &&
      this.#stand('TenantKey', this.#keys)
    if (isSame) {
      return
    }
    this.#parts = parts
    this.#untilMs = nextExpiryMs(snapshot, now)
    const tenant = (key: string) => this.#source.status('ModelTenant', key)
    const key = (name: string) => this.#source.status('TenantKey', name)
    this.#tenants = this.#put('ModelTenant', planTenantStatuses(snapshot, tenant, now))
    this.#keys = this.#put('TenantKey', planKeyStatuses(snapshot, key, now))
  }

  #stand<K extends Planned>(kind: K, statuses: Statuses<K>): boolean {
    for (const [key, status] of statuses) {
      if (this.#source.status(kind, key) !== status) {
        return false
      }
    }
    return true
  }

  #put<K extends Planned>(kind: K, statuses: Statuses<K>): Statuses<K> {
    const kept = new Map<string, StatusByKind[K]>()
    for (const [key, planned] of statuses) {
      const before = this.#source.status(kind, key)
      const status = before !== undefined && isDeepStrictEqual(before, planned) ? before : planned
      this.#source.writeStatus(kind, key, status)
      kept.set(key, status)
    }
    return kept
  }
}

function nextExpiryMs({ keys }: ResourceSnapshot, now: Date): number {
  let nextMs = Infinity
  for (const { spec } of keys.values()) {
    const atMs = spec.expirationTime === undefined ? NaN : Date.parse(spec.expirationTime)
    if (atMs > now.getTime() && atMs < nextMs) {
      nextMs = atMs
    }
  }
  return nextMs
}
