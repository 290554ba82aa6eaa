import { kinds, type Kind } from '../../api/kinds.ts'
import { apiVersion } from '../../api/metadata.ts'
import type { KubeObject, ResourceType } from './types.ts'

/** One of our objects as it comes from the API server: not yet validated. */
export interface WireResource extends KubeObject {
  readonly spec?: unknown
  readonly status?: unknown
}

const [group = '', version = ''] = apiVersion.split('/')

function typeOf(kind: Kind): ResourceType<WireResource> {
  const { plural, namespaced } = kinds[kind]
  return { group, version, kind, plural, namespaced }
}

/** Our four kinds, as `src/api` has them. */
export const resourceTypes: Readonly<Record<Kind, ResourceType<WireResource>>> = {
  ModelPool: typeOf('ModelPool'),
  LoraAdapter: typeOf('LoraAdapter'),
  ModelTenant: typeOf('ModelTenant'),
  TenantKey: typeOf('TenantKey'),
}

export const namespaceType: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
}
