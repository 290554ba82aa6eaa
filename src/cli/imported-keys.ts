import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { tenantKeySpec, type TenantKeySpec } from '../api/tenant-key.ts'
import { UserError } from '../errors.ts'
import { readCsv } from './read-csv.ts'

const entry = z.looseObject({
  name: z.string().optional(),
  key_alias: z.string().nullish(),
  sha256: z.string().optional(),
  token: z.string().optional(),
  expires: z.string().nullish(),
  models: z.union([z.array(z.string()), z.string()]).nullish(),
  blocked: z.union([z.boolean(), z.string()]).nullish(),
})
type Entry = z.infer<typeof entry>

export interface ImportedKey {
  readonly name: string
  /** It opens nothing there, and may not begin to here. */
  readonly isBlocked: boolean
  readonly spec: Pick<TenantKeySpec, 'sha256' | 'expirationTime' | 'models'>
}

/** Keys as another gateway wrote them down. @throws UserError; no message holds what stands where a hash should */
export async function readImportedKeys(path: string): Promise<readonly ImportedKey[]> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UserError(`There is no ${path}.`, 2)
  })
  const list = z.array(entry).min(1).max(100_000).safeParse(entriesOf(text, path))
  if (!list.success) {
    throw new UserError(
      `${path} is no list of keys; write [{"name": "laptop", "sha256": "…"}], or CSV that begins with a line name,sha256.`,
      2,
    )
  }
  return list.data.map((one, at) => keyOf(one, `${path}, entry ${at + 1}`))
}

/** A JSON list, LiteLLM's answer with one in it, or CSV. */
function entriesOf(text: string, path: string): unknown {
  if (!/^\s*[[{]/.test(text)) {
    return readCsv(text)
  }
  const value = jsonOf(text, path)
  const inside = z.looseObject({ keys: z.array(z.unknown()) }).safeParse(value)
  return inside.success ? inside.data.keys : value
}

function keyOf(one: Entry, where: string): ImportedKey {
  const models = modelsOf(one.models)
  const spec = tenantKeySpec.safeParse({
    sha256: (one.sha256 ?? one.token ?? '').replace(/^sha256:/, '').toLowerCase(),
    ...(one.expires ? { expirationTime: timeOf(one.expires) } : {}),
    ...(models === undefined ? {} : { models }),
  })
  if (!spec.success) {
    const field = String(spec.error.issues[0]?.path[0])
    throw new UserError(
      field === 'sha256'
        ? `${where} has no SHA-256 of a whole key; hashes of parts, or with a salt, cannot be taken over.`
        : `${where} has a ${field} that cannot be taken over.`,
    )
  }
  const { revoked: _, ...kept } = spec.data
  return {
    name: nameOf(one.name ?? one.key_alias ?? '') || `imported-${kept.sha256.slice(0, 8)}`,
    isBlocked: /^t(rue)?$/i.test(String(one.blocked)),
    spec: kept,
  }
}

/** LiteLLM's words for everything that a key's team or proxy has: `SpecialModelNames` of its `proxy/_types.py`. */
const everything: ReadonlySet<string> = new Set(['all-team-models', 'all-proxy-models'])

/** In CSV a list is `a;b`, or `{a,b}` as Postgres writes one. An empty list is everything to others, and nothing here. */
function modelsOf(models: Entry['models']): readonly string[] | undefined {
  const names =
    typeof models === 'string' ? models.split(/[{},;\s"]+/).filter(Boolean) : (models ?? [])
  return names.length === 0 || names.some((name) => everything.has(name)) ? undefined : names
}

/** `2026-12-01 00:00:00` is UTC to those who write it. */
function timeOf(text: string): string {
  const withZone = /(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text.replace(' ', 'T')}Z`
  const atMs = Date.parse(withZone)
  return Number.isNaN(atMs) ? text : new Date(atMs).toISOString()
}

/** As Kubernetes takes it. */
function nameOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replaceAll(/^-+|-+$/g, '')
}

function jsonOf(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UserError(`${path} is no JSON.`, 2)
  }
}
