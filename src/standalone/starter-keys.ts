import { createHash } from 'node:crypto'
import type { StatusByKind } from '../api/condition.ts'
import type { Kind, ResourceSnapshot } from '../api/kinds.ts'
import type { ModelTenant } from '../api/model-tenant.ts'
import type { TenantKey } from '../api/tenant-key.ts'
import { createOwnership, namespacesOf } from '../core/ownership.ts'
import { tenantOfKey } from '../core/resolve.ts'
import { mintKey } from '../resources/minted-key.ts'
import type { ResourceSource, ResourceUpdate } from '../resources/resource-source.ts'
import type { StateFolder } from './state-folder.ts'

const fileName = 'starter-keys.json'

/** A resource source in which every tenant that has no key of its own gets one, kept in the state folder (0600). */
export class StarterKeySource implements ResourceSource {
  readonly #source: ResourceSource
  readonly #state: StateFolder
  readonly #keys: Map<string, string>
  #last: { readonly from: ResourceUpdate; readonly to: ResourceUpdate } | undefined

  constructor(source: ResourceSource, state: StateFolder) {
    this.#source = source
    this.#state = state
    this.#keys = new Map(
      Object.entries(JSON.parse(state.read(fileName) ?? '{}') as Record<string, string>),
    )
  }

  /** Tenant → key, of those in use now. */
  keys(): ReadonlyMap<string, string> {
    const tenants = tenantsWithoutKeys(this.#source.current().snapshot)
    return new Map(
      tenants.map((tenant) => [tenant.metadata.name, this.#keyOf(tenant.metadata.name)]),
    )
  }

  current(): ResourceUpdate {
    return this.#extend(this.#source.current())
  }

  watch(onUpdate: (update: ResourceUpdate) => void): () => void {
    return this.#source.watch((update) => onUpdate(this.#extend(update)))
  }

  writeStatus<K extends Kind>(kind: K, key: string, status: StatusByKind[K] | undefined): void {
    this.#source.writeStatus(kind, key, status)
  }

  status<K extends Kind>(kind: K, key: string): StatusByKind[K] | undefined {
    return this.#source.status(kind, key)
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#source.start(signal)
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  #extend(update: ResourceUpdate): ResourceUpdate {
    if (this.#last?.from === update) {
      return this.#last.to
    }
    const tenants = tenantsWithoutKeys(update.snapshot)
    const keys = new Map(update.snapshot.keys)
    for (const tenant of tenants) {
      const key = starterKey(tenant, this.#keyOf(tenant.metadata.name))
      keys.set(`${key.metadata.namespace}/${key.metadata.name}`, key)
    }
    const to = tenants.length === 0 ? update : { ...update, snapshot: { ...update.snapshot, keys } }
    this.#last = { from: update, to }
    return to
  }

  #keyOf(tenant: string): string {
    const known = this.#keys.get(tenant)
    if (known !== undefined) {
      return known
    }
    const { key } = mintKey()
    this.#keys.set(tenant, key)
    this.#state.write(fileName, JSON.stringify(Object.fromEntries(this.#keys), undefined, 2))
    return key
  }
}

function tenantsWithoutKeys(snapshot: ResourceSnapshot): readonly ModelTenant[] {
  const ownerOf = createOwnership(snapshot.tenants.values())
  const withKeys = new Set(
    [...snapshot.keys.values()].map(
      (key) => tenantOfKey(key, ownerOf(key.metadata))?.metadata.name,
    ),
  )
  return [...snapshot.tenants.values()].filter((tenant) => !withKeys.has(tenant.metadata.name))
}

function starterKey(tenant: ModelTenant, key: string): TenantKey {
  return {
    kind: 'TenantKey',
    metadata: {
      name: 'starter',
      namespace: namespacesOf(tenant)[0] ?? tenant.metadata.name,
      labels: tenant.spec.namespaces?.[0]?.selector?.matchLabels ?? {},
      annotations: {},
      uid: `starter-${tenant.metadata.name}`,
      creationTimeMs: tenant.metadata.creationTimeMs,
      generation: 1,
    },
    spec: {
      tenantRef: { name: tenant.metadata.name },
      sha256: createHash('sha256').update(key).digest('hex'),
      revoked: false,
    },
  }
}
