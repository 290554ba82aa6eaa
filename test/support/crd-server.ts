import { fileURLToPath } from 'node:url'
import { kinds, type Kind } from '../../src/api/kinds.ts'
import { apiVersion } from '../../src/api/metadata.ts'
import type { ApiAnswer, ApiServer } from './api-server.ts'

export const crdFolder = fileURLToPath(new URL('../../manifests/crds', import.meta.url))

/** An object as a file has it; `spec` is whatever a test wants to try. */
export interface SomeObject {
  readonly apiVersion: string
  readonly kind: Kind
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec: object
}

export function anObject(kind: Kind, spec: object, name = 'one'): SomeObject {
  return {
    apiVersion,
    kind,
    metadata: { name, ...(kinds[kind].namespaced ? { namespace: 'default' } : {}) },
    spec,
  }
}

export function pathOf({ kind, metadata }: SomeObject, subresource = ''): string {
  const scope = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`
  return `/apis/${apiVersion}${scope}/${kinds[kind].plural}/${metadata.name}${subresource}`
}

/** As kubectl creates: unknown fields are faults. With `dryRun` nothing is kept. */
export function create(
  api: ApiServer,
  object: SomeObject,
  { dryRun = false } = {},
): Promise<ApiAnswer> {
  const collection = pathOf(object).replace(/\/[^/]*$/, '')
  const query = `fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`
  return api.ask('POST', `${collection}?${query}`, object)
}

/** Part of the object, as `kubectl patch --type=merge` sends it. */
export function change(api: ApiServer, object: SomeObject, patch: object): Promise<ApiAnswer> {
  return api.ask('PATCH', `${pathOf(object)}?fieldValidation=Strict`, patch)
}
