import { keyOf } from '../api/metadata.ts'
import type { ModelPool } from '../api/model-pool.ts'

/** On whose Secret a source is read: `spec.source.secretRef` of the adapter, `spec.model.secretRef` of the pool, none. */
export type SourceCredentials = 'Adapter' | 'Pool' | 'Anonymous'

export interface SourceRequest {
  readonly pool: ModelPool
  readonly adapterNamespace: string
  /** Where the adapter's URI leads: an absolute path or a URL, normal. */
  readonly place: string
  /** The places of `lora.sources`, normal and without a slash at the end, `${namespace}` not yet filled in. */
  readonly prefixes: readonly SourcePrefix[] | undefined
}

export interface SourcePrefix {
  readonly place: string
  readonly credentials: SourceCredentials
}

export type SourceVerdict =
  | { readonly allowed: true; readonly credentials: SourceCredentials }
  /** Words for the adapter's owner; the place is not in them. */
  | { readonly allowed: false; readonly message: string }

/** Whether the pool takes adapters from there, and on whose credentials. Of several prefixes the longest decides. */
export function judgeSource({
  pool,
  adapterNamespace,
  place,
  prefixes,
}: SourceRequest): SourceVerdict {
  const name = `ModelPool ${keyOf(pool.metadata)}`
  if (prefixes === undefined) {
    return place.startsWith('https://') || adapterNamespace === pool.metadata.namespace
      ? { allowed: true, credentials: 'Adapter' }
      : {
          allowed: false,
          message: `${name} takes files and volumes only from its own namespace. Its operator can allow more in spec.lora.sources.`,
        }
  }
  const longest = prefixes
    .map((prefix) => ({
      credentials: prefix.credentials,
      place: `${prefix.place.replaceAll('${namespace}', adapterNamespace)}/`,
    }))
    .filter((prefix) => place.startsWith(prefix.place) && place !== prefix.place)
    .reduce<SourcePrefix | undefined>(
      (best, next) => (best === undefined || next.place.length > best.place.length ? next : best),
      undefined,
    )
  return longest === undefined
    ? {
        allowed: false,
        message: `${name} does not take adapters from there. spec.lora.sources of the pool says from where.`,
      }
    : { allowed: true, credentials: longest.credentials }
}
