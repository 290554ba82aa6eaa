import type { ModelPool } from '../api/model-pool.ts'

export interface SourceRequest {
  readonly pool: ModelPool
  readonly adapterNamespace: string
  /** The adapter's URI with its relative part resolved: `file:///absolute/…`. */
  readonly uri: string
  /** `lora.sources[].uriPrefix`, resolved the same way, `${namespace}` not yet filled in. */
  readonly prefixes: readonly string[] | undefined
}

/** Whether the pool takes adapters from there; undefined when it does, else words for the adapter's owner. */
export function refuseSource({
  pool,
  adapterNamespace,
  uri,
  prefixes,
}: SourceRequest): string | undefined {
  if (prefixes === undefined) {
    return adapterNamespace === pool.metadata.namespace
      ? undefined
      : `ModelPool ${pool.metadata.namespace}/${pool.metadata.name} takes files only from its own namespace. Its operator can allow more in spec.lora.sources.`
  }
  const allowed = prefixes.map((prefix) => prefix.replaceAll('${namespace}', adapterNamespace))
  return allowed.some((prefix) => uri.startsWith(prefix) && !uri.includes('/../'))
    ? undefined
    : `ModelPool ${pool.metadata.namespace}/${pool.metadata.name} does not take adapters from there. spec.lora.sources of the pool says from where.`
}
