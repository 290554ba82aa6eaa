import type { ApiAnswer, ApiServer } from './api-server.ts'
import type { KubeObject } from './chart.ts'

const clusterScoped: ReadonlySet<string> = new Set([
  'Namespace',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'ModelTenant',
])

/** Plurals that are not the kind with an `s`. */
const plurals: Readonly<Record<string, string>> = {
  Ingress: 'ingresses',
  NetworkPolicy: 'networkpolicies',
}

/** Path of a collection, of a kind that tests use. */
export function collectionOf({ apiVersion, kind, metadata }: KubeObject): string {
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const plural = plurals[kind] ?? `${kind.toLowerCase()}s`
  return clusterScoped.has(kind)
    ? `${group}/${plural}`
    : `${group}/namespaces/${metadata.namespace ?? 'default'}/${plural}`
}

/** Server-side apply that is thrown away: defaults, schemas, admission; unknown fields are errors. */
export async function dryRun(api: ApiServer, object: KubeObject): Promise<ApiAnswer> {
  const path = `${collectionOf(object)}/${object.metadata.name}`
  const query = 'fieldManager=test&fieldValidation=Strict&dryRun=All'
  return await api.ask(
    'PATCH',
    `${path}?${query}`,
    object,
    api.admin,
    'application/apply-patch+yaml',
  )
}

/** The same for good. */
export async function apply(api: ApiServer, object: KubeObject): Promise<ApiAnswer> {
  const path = `${collectionOf(object)}/${object.metadata.name}`
  const query = 'fieldManager=test&fieldValidation=Strict&force=true'
  return await api.ask(
    'PATCH',
    `${path}?${query}`,
    object,
    api.admin,
    'application/apply-patch+yaml',
  )
}
