import { createHash } from 'node:crypto'
import type { LoraAdapterStatus, RevisionStatus } from '../../src/api/condition.ts'
import type { Namespace, ResourceSnapshot } from '../../src/api/kinds.ts'
import { loraAdapterSpec, type LoraAdapter } from '../../src/api/lora-adapter.ts'
import { keyOf, type ObjectMeta, type Resource } from '../../src/api/metadata.ts'
import { modelPoolSpec, type ModelPool } from '../../src/api/model-pool.ts'
import { modelTenantSpec, type ModelTenant } from '../../src/api/model-tenant.ts'
import { tenantKeySpec, type TenantKey } from '../../src/api/tenant-key.ts'

/**
 * Resources as a test says them: `anAdapter('tickets').in('acme').on('models/llama')`. Every step returns a new builder,
 * so a builder can be shared; `.build()` checks the spec as the service would.
 */
class ResourceBuilder<R extends Resource<string, unknown>> {
  readonly #kind: R['kind']
  readonly #metadata: ObjectMeta
  readonly #spec: Readonly<Record<string, unknown>>
  readonly #parse: (spec: unknown) => R['spec']

  constructor(
    kind: R['kind'],
    metadata: ObjectMeta,
    spec: Readonly<Record<string, unknown>>,
    parse: (spec: unknown) => R['spec'],
  ) {
    this.#kind = kind
    this.#metadata = metadata
    this.#spec = spec
    this.#parse = parse
  }

  build(): R {
    const { kind, metadata, spec } = {
      kind: this.#kind,
      metadata: this.#metadata,
      spec: this.#parse(this.#spec),
    }
    return { kind, metadata: { ...metadata, uid: `${kind}/${keyOf(metadata)}` }, spec } as R
  }

  /** `namespace/name`. */
  get key(): string {
    return keyOf(this.#metadata)
  }

  protected get namespace(): string {
    return this.#metadata.namespace
  }

  protected copy(metadata: Partial<ObjectMeta>, spec: Readonly<Record<string, unknown>>): this {
    const Builder = this.constructor as new (
      kind: R['kind'],
      metadata: ObjectMeta,
      spec: Readonly<Record<string, unknown>>,
      parse: (spec: unknown) => R['spec'],
    ) => this
    return new Builder(
      this.#kind,
      { ...this.#metadata, ...metadata },
      { ...this.#spec, ...spec },
      this.#parse,
    )
  }

  in(namespace: string): this {
    return this.copy({ namespace }, {})
  }

  labelled(labels: Readonly<Record<string, string>>): this {
    return this.copy({ labels }, {})
  }

  /** The older of two claimants wins. */
  createdAt(creationTimeMs: number): this {
    return this.copy({ creationTimeMs }, {})
  }

  atGeneration(generation: number): this {
    return this.copy({ generation }, {})
  }

  /** Spec fields by name, for those without a word of their own here. */
  with(spec: Readonly<Record<string, unknown>>): this {
    return this.copy({}, spec)
  }
}

function metadataOf(name: string, namespace: string): ObjectMeta {
  return {
    name,
    namespace,
    labels: {},
    annotations: {},
    uid: '',
    creationTimeMs: 1_000_000,
    generation: 1,
  }
}

export class PoolBuilder extends ResourceBuilder<ModelPool> {
  withSlots(maxLoras: number): this {
    return this.with({ lora: { maxLoras } })
  }

  withReplicas(replicas: number): this {
    return this.with({ replicas })
  }

  openTo(from: 'Same' | 'All' | Readonly<Record<string, string>>): this {
    return this.with({
      allowedNamespaces:
        typeof from === 'string' ? { from } : { from: 'Selector', selector: { matchLabels: from } },
    })
  }
}

export class AdapterBuilder extends ResourceBuilder<LoraAdapter> {
  /** `name` or `namespace/name`. */
  on(pool: string): this {
    const [first = '', second] = pool.split('/')
    return this.with({
      poolRefs: [second === undefined ? { name: first } : { name: second, namespace: first }],
    })
  }

  called(modelName: string): this {
    return this.with({ modelName })
  }

  withCopies(minCopies: number, maxCopies?: number): this {
    return this.with({
      residency: { minCopies, ...(maxCopies === undefined ? {} : { maxCopies }) },
    })
  }

  suspended(): this {
    return this.with({ suspend: true })
  }
}

export class TenantBuilder extends ResourceBuilder<ModelTenant> {
  /** Names, or names with the labels that narrow them. */
  claiming(
    ...namespaces: readonly (string | readonly [string, Readonly<Record<string, string>>])[]
  ): this {
    return this.with({
      namespaces: namespaces.map((claim) =>
        typeof claim === 'string'
          ? { name: claim }
          : { name: claim[0], selector: { matchLabels: claim[1] } },
      ),
    })
  }

  /** An extra name for `ModelPool ns/name` or `LoraAdapter ns/name`. */
  withModels(
    models: Readonly<Record<string, `${'ModelPool' | 'LoraAdapter'} ${string}/${string}`>>,
  ) {
    return this.with({
      models: Object.entries(models).map(([name, target]) => {
        const [kind = '', key = ''] = target.split(' ')
        const [namespace = '', object = ''] = key.split('/')
        return { name, targetRef: { kind, namespace, name: object } }
      }),
    })
  }

  suspended(): this {
    return this.with({ suspend: true })
  }
}

export class KeyBuilder extends ResourceBuilder<TenantKey> {
  for(tenant: string): this {
    return this.with({ tenantRef: { name: tenant } })
  }

  revoked(): this {
    return this.with({ revoked: true })
  }

  expiring(expirationTime: string): this {
    return this.with({ expirationTime })
  }

  allowing(...models: readonly string[]): this {
    return this.with({ models })
  }
}

export function aPool(name: string): PoolBuilder {
  return new PoolBuilder(
    'ModelPool',
    metadataOf(name, 'models'),
    { model: { uri: 'file:///models/base' }, allowedNamespaces: { from: 'All' } },
    (spec) => modelPoolSpec.parse(spec),
  )
}

export function anAdapter(name: string): AdapterBuilder {
  return new AdapterBuilder(
    'LoraAdapter',
    metadataOf(name, 'acme'),
    {
      poolRefs: [{ name: 'llama', namespace: 'models' }],
      source: { uri: `file:///adapters/${name}` },
    },
    (spec) => loraAdapterSpec.parse(spec),
  )
}

export function aTenant(name: string): TenantBuilder {
  return new TenantBuilder('ModelTenant', metadataOf(name, ''), {}, (spec) =>
    modelTenantSpec.parse(spec),
  )
}

/** A key whose secret is `sk-<name>` padded to a key's length; see `secretOf`. */
export function aKey(name: string): KeyBuilder {
  return new KeyBuilder(
    'TenantKey',
    metadataOf(name, 'acme'),
    { sha256: sha256(secretOf(name)) },
    (spec) => tenantKeySpec.parse(spec),
  )
}

export function secretOf(keyName: string): string {
  return `sk-${keyName}`.padEnd(24, '0')
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

type AnyBuilder = PoolBuilder | AdapterBuilder | TenantBuilder | KeyBuilder

/** A snapshot of these objects; namespaces only where their labels matter. */
export function aSnapshot(
  objects: readonly AnyBuilder[],
  namespaces: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
): ResourceSnapshot {
  const built = objects.map((builder) => builder.build())
  const ofKind = <K extends (typeof built)[number]['kind']>(kind: K) =>
    new Map(
      built
        .filter((one): one is Extract<(typeof built)[number], { kind: K }> => one.kind === kind)
        .map((one) => [keyOf(one.metadata), one] as const),
    )
  return {
    pools: ofKind('ModelPool'),
    adapters: ofKind('LoraAdapter'),
    tenants: ofKind('ModelTenant'),
    keys: ofKind('TenantKey'),
    namespaces: new Map(
      Object.entries(namespaces).map(([name, labels]): [string, Namespace] => [
        name,
        { name, labels },
      ]),
    ),
    secrets: new Map(),
    baseFolders: new Map(),
  }
}

/** The status of an adapter as the resolver reads it: who is active, and what `Ready` says. */
export function anAdapterStatus(fields: {
  readonly active?: string
  readonly candidate?: string
  readonly ready?: readonly ['True' | 'False' | 'Unknown', string, string?]
}): LoraAdapterStatus {
  const revision = (name: string, role: RevisionStatus['role']): RevisionStatus => ({
    revision: name,
    digest: sha256(name),
    role,
  })
  const [status, reason, message = ''] = fields.ready ?? ['True', 'Ready']
  return {
    observedGeneration: 1,
    conditions: [
      {
        type: 'Ready',
        status,
        reason,
        message,
        observedGeneration: 1,
        lastTransitionTime: '2026-11-20T00:00:00.000Z',
      },
    ],
    revisions: [
      ...(fields.active === undefined ? [] : [revision(fields.active, 'Active')]),
      ...(fields.candidate === undefined ? [] : [revision(fields.candidate, 'Candidate')]),
    ],
    copies: { routable: 1, wanted: 1 },
  }
}
