import { dirname, join } from 'node:path'
import type { AnyResource, Kind, Namespace, ResourceSnapshot, Secret } from '../../api/kinds.ts'
import { keyOf } from '../../api/metadata.ts'
import type { HeldObjects } from './held-object.ts'

/** What is held, as consumers see it. Objects that did not change are the same values as before. */
export function snapshotOf(objects: HeldObjects, folder: string): ResourceSnapshot {
  const byKind: { [K in Kind]: Map<string, AnyResource> } = {
    ModelPool: new Map(),
    LoraAdapter: new Map(),
    ModelTenant: new Map(),
    TenantKey: new Map(),
  }
  const namespaces = new Map<string, Namespace>()
  const secrets = new Map<string, Secret>()
  const baseFolders = new Map<string, string>()
  for (const { identity, resource, file } of objects.values()) {
    if (resource.type === 'Resource') {
      byKind[resource.value.kind].set(keyOf(resource.value.metadata), resource.value)
      baseFolders.set(identity, join(folder, dirname(file)))
    } else if (resource.type === 'Secret') {
      secrets.set(keyOf(resource.value), resource.value)
    } else {
      namespaces.set(resource.value.name, resource.value)
    }
  }
  return {
    // Each map holds the kind it is named after.
    pools: byKind.ModelPool as ResourceSnapshot['pools'],
    adapters: byKind.LoraAdapter as ResourceSnapshot['adapters'],
    tenants: byKind.ModelTenant as ResourceSnapshot['tenants'],
    keys: byKind.TenantKey as ResourceSnapshot['keys'],
    namespaces,
    secrets,
    baseFolders,
  }
}

export function resourcesOf(snapshot: ResourceSnapshot): readonly AnyResource[] {
  return [
    ...snapshot.pools.values(),
    ...snapshot.adapters.values(),
    ...snapshot.tenants.values(),
    ...snapshot.keys.values(),
  ]
}

/** Whether a consumer could tell the two apart. */
export function isSameSnapshot(a: ResourceSnapshot, b: ResourceSnapshot): boolean {
  const names = Object.keys(a) as (keyof ResourceSnapshot)[]
  return names.every((name) => isSameMap<unknown>(a[name], b[name]))
}

function isSameMap<T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): boolean {
  if (a.size !== b.size) {
    return false
  }
  for (const [key, value] of a) {
    if (b.get(key) !== value) {
      return false
    }
  }
  return true
}
