import type { ModelPool } from '../api/model-pool.ts'

export interface SourceRequest {
  readonly pool: ModelPool
  readonly adapterNamespace: string
  /** Where the adapter's URI leads: absolute and normal. */
  readonly path: string
  /** The folders of `lora.sources[].uriPrefix`, absolute, `${namespace}` not yet filled in. */
  readonly prefixes: readonly string[] | undefined
}

/** Whether the pool takes adapters from there; undefined when it does, else words for the adapter's owner. */
export function refuseSource({
  pool,
  adapterNamespace,
  path,
  prefixes,
}: SourceRequest): string | undefined {
  if (prefixes === undefined) {
    return adapterNamespace === pool.metadata.namespace
      ? undefined
      : `ModelPool ${pool.metadata.namespace}/${pool.metadata.name} takes files only from its own namespace. Its operator can allow more in spec.lora.sources.`
  }
  const allowed = prefixes.map((prefix) => prefix.replaceAll('${namespace}', adapterNamespace))
  return allowed.some((prefix) => path.startsWith(`${prefix}/`))
    ? undefined
    : `ModelPool ${pool.metadata.namespace}/${pool.metadata.name} does not take adapters from there. spec.lora.sources of the pool says from where.`
}
