import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { tenantKeySpec, type TenantKeySpec } from '../api/tenant-key.ts'
import { UserError } from '../errors.ts'

const entry = z.looseObject({
  name: z.string().optional(),
  key_alias: z.string().nullish(),
  sha256: z.string().optional(),
  token: z.string().optional(),
  expires: z.string().nullish(),
  models: z.array(z.string()).nullish(),
})

export interface ImportedKey extends Pick<TenantKeySpec, 'sha256' | 'expirationTime' | 'models'> {
  readonly name: string
}

/** Keys as another gateway wrote them down. @throws UserError; no message holds what stands where a hash should */
export async function readImportedKeys(path: string): Promise<readonly ImportedKey[]> {
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UserError(`There is no ${path}.`, 2)
  })
  const list = z.array(entry).min(1).max(100_000).safeParse(jsonOf(text, path))
  if (!list.success) {
    throw new UserError(`${path} is no list of keys; write [{"name": "laptop", "sha256": "…"}].`, 2)
  }
  return list.data.map((one, at) => keyOf(one, `${path}, entry ${at + 1}`))
}

function keyOf(one: z.infer<typeof entry>, where: string): ImportedKey {
  const spec = tenantKeySpec.safeParse({
    sha256: (one.sha256 ?? one.token ?? '').replace(/^sha256:/, '').toLowerCase(),
    ...(one.expires ? { expirationTime: timeOf(one.expires) } : {}),
    // An empty list is everything to others, and nothing here.
    ...(one.models?.length ? { models: one.models } : {}),
  })
  const name = nameOf(one.name ?? one.key_alias ?? '')
  if (!spec.success || name === '') {
    const field = spec.success ? 'name' : String(spec.error.issues[0]?.path[0])
    throw new UserError(
      field === 'sha256'
        ? `${where} has no SHA-256 of a whole key; hashes of parts, or with a salt, cannot be taken over.`
        : `${where} has a ${field} that cannot be taken over.`,
    )
  }
  const { sha256, expirationTime, models } = spec.data
  return {
    name,
    sha256,
    ...(expirationTime === undefined ? {} : { expirationTime }),
    ...(models === undefined ? {} : { models }),
  }
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
