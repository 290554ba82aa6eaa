import type { z } from 'zod'
import { loraAdapterFieldsOfTheCluster, loraAdapterSpec, type LoraAdapter } from './lora-adapter.ts'
import { modelPoolFieldsOfTheCluster, modelPoolSpec, type ModelPool } from './model-pool.ts'
import { modelTenantSpec, type ModelTenant } from './model-tenant.ts'
import { tenantKeySpec, type TenantKey } from './tenant-key.ts'

interface KindRow {
  readonly spec: z.ZodType
  readonly plural: string
  readonly shortName: string
  readonly namespaced: boolean
  /** Dotted spec paths that mean nothing on one machine. */
  readonly fieldsOfTheCluster: readonly string[]
}

/** Our kinds; everything that loops over kinds loops over this. */
export const kinds = {
  ModelPool: {
    spec: modelPoolSpec,
    plural: 'modelpools',
    shortName: 'lpp',
    namespaced: true,
    fieldsOfTheCluster: modelPoolFieldsOfTheCluster,
  },
  LoraAdapter: {
    spec: loraAdapterSpec,
    plural: 'loraadapters',
    shortName: 'lora',
    namespaced: true,
    fieldsOfTheCluster: loraAdapterFieldsOfTheCluster,
  },
  ModelTenant: {
    spec: modelTenantSpec,
    plural: 'modeltenants',
    shortName: 'lpt',
    namespaced: false,
    fieldsOfTheCluster: [],
  },
  TenantKey: {
    spec: tenantKeySpec,
    plural: 'tenantkeys',
    shortName: 'lpk',
    namespaced: true,
    fieldsOfTheCluster: [],
  },
} as const satisfies Record<string, KindRow>

export type Kind = keyof typeof kinds
export type AnyResource = ModelPool | LoraAdapter | ModelTenant | TenantKey

export interface Namespace {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/** A `v1` Secret; values are bytes as text and appear in no log, status or error (I14). */
export interface Secret {
  readonly name: string
  readonly namespace: string
  readonly data: Readonly<Record<string, string>>
}

/** Everything somebody wrote, at one moment. Maps are keyed by `keyOf(metadata)`. Immutable: a change makes a new one. */
export interface ResourceSnapshot {
  readonly pools: ReadonlyMap<string, ModelPool>
  readonly adapters: ReadonlyMap<string, LoraAdapter>
  readonly tenants: ReadonlyMap<string, ModelTenant>
  readonly keys: ReadonlyMap<string, TenantKey>
  readonly namespaces: ReadonlyMap<string, Namespace>
  readonly secrets: ReadonlyMap<string, Secret>
  /** Folder that relative `file:` URIs of an object start from, by `Kind/key`. */
  readonly baseFolders: ReadonlyMap<string, string>
}

export const emptySnapshot: ResourceSnapshot = {
  pools: new Map(),
  adapters: new Map(),
  tenants: new Map(),
  keys: new Map(),
  namespaces: new Map(),
  secrets: new Map(),
  baseFolders: new Map(),
}
