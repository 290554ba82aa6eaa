import type { Condition } from '../api/condition.ts'
import type { AnyResource, Kind } from '../api/kinds.ts'
import { modelNameOf, poolKeyOf } from '../api/lora-adapter.ts'
import { keyOf } from '../api/metadata.ts'
import { namespacesOf } from '../core/ownership.ts'
import type { ResourceView } from './resource-view.ts'
import { ageText } from './table.ts'

/** Columns of one kind, named and ordered as kubectl's printer columns; `wide` ones only with -o wide. */
export interface Column<R extends AnyResource> {
  readonly title: string
  readonly wide?: boolean
  readonly cell: (resource: R, view: ResourceView, nowMs: number) => string
}

/** For what is not known, as kubectl prints it. */
const unknown = '<none>'

function ready(kind: Kind, resource: AnyResource, view: ResourceView): Condition | undefined {
  const status = view.statusOf(kind, keyOf(resource.metadata))
  return status?.conditions.find(({ type }) => type === 'Ready')
}

function name(): readonly Column<AnyResource>[] {
  return [{ title: 'NAME', cell: ({ metadata }) => metadata.name }]
}

function namespacedName(): readonly Column<AnyResource>[] {
  return [{ title: 'NAMESPACE', cell: ({ metadata }) => metadata.namespace }, ...name()]
}

function readiness(kind: Kind): readonly Column<AnyResource>[] {
  return [
    { title: 'READY', cell: (one, view) => ready(kind, one, view)?.status ?? 'Unknown' },
    { title: 'REASON', cell: (one, view) => ready(kind, one, view)?.reason ?? unknown },
  ]
}

function tail(kind: Kind): readonly Column<AnyResource>[] {
  return [
    { title: 'AGE', cell: ({ metadata }, _view, nowMs) => ageText(metadata.creationTimeMs, nowMs) },
    { title: 'MESSAGE', wide: true, cell: (one, view) => ready(kind, one, view)?.message ?? '' },
  ]
}

export const columnsOf: {
  readonly [K in Kind]: readonly Column<Extract<AnyResource, { kind: K }>>[]
} = {
  ModelPool: [
    ...namespacedName(),
    ...readiness('ModelPool'),
    {
      title: 'REPLICAS',
      cell: ({ metadata, spec }, view) => {
        const status = view.statusOf('ModelPool', keyOf(metadata))
        return `${status?.readyReplicas ?? 0}/${spec.engine.endpoints.length || spec.replicas}`
      },
    },
    {
      title: 'ADAPTERS',
      cell: ({ metadata }, view) => {
        const adapters = view.statusOf('ModelPool', keyOf(metadata))?.adapters
        return adapters === undefined ? unknown : `${adapters.routable}/${adapters.wanted}`
      },
    },
    {
      title: 'ENGINE',
      cell: ({ metadata }, view) => {
        const engine = view.statusOf('ModelPool', keyOf(metadata))?.engine
        return engine === undefined
          ? unknown
          : `${engine.version}${engine.simulated ? ' (simulated)' : ''}`
      },
    },
    {
      title: 'ADVISED-SLOTS',
      wide: true,
      cell: ({ metadata }, view) =>
        String(view.statusOf('ModelPool', keyOf(metadata))?.advice?.maxLoras ?? unknown),
    },
    { title: 'MODEL', wide: true, cell: ({ spec }) => spec.model.uri },
    ...tail('ModelPool'),
  ],
  LoraAdapter: [
    ...namespacedName(),
    { title: 'POOL', cell: (adapter) => poolKeyOf(adapter) },
    { title: 'MODEL', cell: (adapter) => modelNameOf(adapter) },
    ...readiness('LoraAdapter'),
    {
      title: 'COPIES',
      cell: ({ metadata }, view) => {
        const copies = view.statusOf('LoraAdapter', keyOf(metadata))?.copies
        return copies === undefined ? unknown : `${copies.routable}/${copies.wanted}`
      },
    },
    {
      title: 'REVISION',
      wide: true,
      cell: ({ metadata }, view) =>
        view
          .statusOf('LoraAdapter', keyOf(metadata))
          ?.revisions.find(({ role }) => role === 'Active')
          ?.revision.slice(0, 12) ?? unknown,
    },
    {
      title: 'RANK',
      wide: true,
      cell: ({ metadata }, view) =>
        String(view.statusOf('LoraAdapter', keyOf(metadata))?.rank ?? unknown),
    },
    ...tail('LoraAdapter'),
  ],
  ModelTenant: [
    ...name(),
    ...readiness('ModelTenant'),
    { title: 'NAMESPACES', cell: (tenant) => namespacesOf(tenant).join(',') },
    {
      title: 'ADAPTERS',
      cell: ({ metadata }, view) =>
        String(view.statusOf('ModelTenant', keyOf(metadata))?.adapters ?? unknown),
    },
    {
      title: 'KEYS',
      cell: ({ metadata }, view) =>
        String(view.statusOf('ModelTenant', keyOf(metadata))?.keys ?? unknown),
    },
    ...tail('ModelTenant'),
  ],
  TenantKey: [
    ...namespacedName(),
    {
      title: 'TENANT',
      cell: ({ metadata, spec }, view) =>
        view.statusOf('TenantKey', keyOf(metadata))?.tenant ?? spec.tenantRef?.name ?? unknown,
    },
    { title: 'ID', cell: ({ spec }) => spec.id ?? unknown },
    ...readiness('TenantKey'),
    { title: 'EXPIRES', cell: ({ spec }) => spec.expirationTime ?? 'never' },
    ...tail('TenantKey'),
  ],
}
