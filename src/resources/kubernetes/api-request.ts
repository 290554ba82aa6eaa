import type { ResourceType } from './types.ts'

export type KubeVerb = 'get' | 'list' | 'watch' | 'create' | 'apply' | 'patch' | 'delete'

/** One call, as it goes over the wire. */
export interface ApiRequest {
  readonly verb: KubeVerb
  readonly kind: string
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: object
  readonly contentType?: string
  /** Doing it twice ends like doing it once. */
  readonly isIdempotent: boolean
  /** Asked at the very moment the request would go onto the socket; throws to keep it off (fencing). */
  readonly guard?: () => void
}

/** What was asked and what came of it; `code` is `0` without an answer. Each try counts. */
export interface RequestCount {
  readonly verb: KubeVerb
  readonly kind: string
  readonly code: number
}

export function collectionPath(type: ResourceType, namespace: string | undefined): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`
  return type.namespaced && namespace !== undefined && namespace !== ''
    ? `${root}/namespaces/${encodeURIComponent(namespace)}/${type.plural}`
    : `${root}/${type.plural}`
}

export function objectPath(
  type: ResourceType,
  key: { readonly name: string; readonly namespace?: string | undefined },
  subresource?: string,
): string {
  const path = `${collectionPath(type, key.namespace)}/${encodeURIComponent(key.name)}`
  return subresource === undefined ? path : `${path}/${subresource}`
}
