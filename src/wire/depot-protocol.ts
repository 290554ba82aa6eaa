import { createHash } from 'node:crypto'
import { z } from 'zod'

/** What the controller and agents say to the depot. */
const digest = z.string().regex(/^[0-9a-f]{64}$/)
const objectKey = z.string().regex(/^[a-z0-9][-a-z0-9.]{0,252}\/[a-z0-9][-a-z0-9.]{0,252}$/)

/** Whose content it is, and on whose credentials it is read. */
export const sourceOrigin = z.strictObject({
  /** `namespace/name`; its agents may have the content from then on. */
  poolKey: objectKey,
  /** Of the adapter: whose turn it is among those that wait. */
  namespace: z.string().min(1).max(253),
  /** Name in `namespace`, of type loraplex.dev/source. */
  secret: z
    .strictObject({ namespace: z.string().min(1).max(253), name: z.string().min(1).max(253) })
    .optional(),
})
export type SourceOrigin = z.infer<typeof sourceOrigin>

/** The pod that reads a `pvc://` source's claim, and what to show it. */
export const claimReader = z.strictObject({
  url: z
    .string()
    .regex(/^http:\/\/[^/]+$/)
    .max(256),
  token: z.string().min(1).max(256),
})
export type ClaimReader = z.infer<typeof claimReader>

/** `POST /v1/fetch` → FetchOutcome; `path` of what is stored is its digest. */
export const fetchRequest = z.strictObject({
  uri: z.string().min(1).max(2048),
  expectedDigest: z
    .string()
    .regex(/^(sha256:)?[0-9a-f]{64}$/)
    .optional(),
  origin: sourceOrigin,
  /** Of a `pvc://` source. */
  reader: claimReader.optional(),
})
export type FetchRequest = z.infer<typeof fetchRequest>

/** `POST /v1/preflight` → PreflightVerdict. `baseModelPath` is a `baseKeyOf`. */
export const preflightRequest = z.strictObject({
  digest,
  /** Of the adapter: whose turn it is among those that wait. */
  namespace: z.string().min(1).max(253).optional(),
  options: z.strictObject({
    baseModelPath: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
    baseModel: z.string().max(256).optional(),
    baseModelNames: z.array(z.string().max(512)).max(128),
    baseModelCheck: z.enum(['Warn', 'Strict']),
    maxRank: z.int().min(1).max(4096),
    dtype: z.enum(['Auto', 'Float16', 'BFloat16']),
  }),
})
export type PreflightRequest = z.infer<typeof preflightRequest>

/**
 * `POST /v1/retain`: every pool there is, with each digest that it still stands for. What is left out goes, once it is
 * ten minutes old; while the cache is nearly full, once it is one minute old.
 */
export const retainRequest = z.strictObject({
  pools: z.record(objectKey, z.array(digest).max(20_000)),
})
export type RetainRequest = z.infer<typeof retainRequest>

export interface RetainAnswer {
  readonly deleted: number
  /** By pool, what of it is not here (any more): a depot may lose its cache. */
  readonly missing: Readonly<Record<string, readonly string[]>>
}

/** `GET /v1/adapters/{digest}/facts?pool=namespace/name`; 404 where that pool was never granted it. */
export interface StoredFacts {
  readonly digest: string
  readonly sizeBytes: number
}

export const depotRoutes = {
  fetch: '/v1/fetch',
  preflight: '/v1/preflight',
  retain: '/v1/retain',
  adapter: (hex: string): string => `/v1/adapters/${hex}`,
  facts: (hex: string, poolKey: string): string =>
    `/v1/adapters/${hex}/facts?pool=${encodeURIComponent(poolKey)}`,
  base: (key: string): string => `/v1/bases/${key}`,
} as const

/** Which pool an agent speaks for; its token is of that pool. */
export const poolHeader = 'x-loraplex-pool'

const prefixLength = 32

/**
 * Under which name the headers of a pool's base are kept. Its first half is the pool's, so that an agent can be refused
 * another pool's.
 */
export function baseKeyOf(poolKey: string, modelUri: string): string {
  return `${baseKeyPrefixOf(poolKey)}${sha256(`base\0${modelUri}`).slice(0, 32)}`
}

export function baseKeyPrefixOf(poolKey: string): string {
  return sha256(`pool\0${poolKey}`).slice(0, prefixLength)
}

export function prefixOfBaseKey(key: string): string {
  return key.slice(0, prefixLength)
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
