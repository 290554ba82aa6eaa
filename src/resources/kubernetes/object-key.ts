import type { KubeObject, ObjectKey, ResourceType } from './types.ts'

export function apiVersionOf({ group, version }: ResourceType): string {
  return group === '' ? version : `${group}/${version}`
}

/** `namespace/name`, or the name alone: the same as `keyOf` of our own kinds. */
export function keyOfObject({ metadata: { name, namespace } }: KubeObject): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`
}

export function splitKey(key: string): ObjectKey {
  const slash = key.indexOf('/')
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}
