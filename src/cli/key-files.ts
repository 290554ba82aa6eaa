import { constants } from 'node:fs'
import { mkdir, open, readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  isMap,
  isScalar,
  isSeq,
  parseAllDocuments,
  stringify,
  type Document,
  type YAMLMap,
} from 'yaml'
import { apiVersion } from '../api/metadata.ts'
import type { TenantKey, TenantKeySpec } from '../api/tenant-key.ts'
import { UserError } from '../errors.ts'
import { atomicWrite } from '../resources/directory/atomic-write.ts'
import { walkFolder } from '../resources/directory/walk-folder.ts'

export interface KeyManifest {
  readonly name: string
  readonly namespace: string
  readonly spec: Omit<TenantKeySpec, 'revoked'>
}

/** The TenantKey as it goes into git: the hash, never the key. */
export function keyManifestText({ name, namespace, spec }: KeyManifest): string {
  return stringify({
    apiVersion,
    kind: 'TenantKey',
    metadata: { name, namespace },
    spec,
  })
}

/**
 * Writes a new file; one that is there is never touched.
 *
 * @throws UserError when the file is there already or cannot be written.
 */
export async function writeKeyFile(folder: string, manifest: KeyManifest): Promise<string> {
  const path = join(folder, `key-${manifest.namespace}-${manifest.name}.yaml`)
  try {
    await mkdir(folder, { recursive: true })
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
    await using handle = await open(path, flags, 0o644)
    await handle.writeFile(keyManifestText(manifest))
    await handle.sync()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error'
    throw new UserError(
      code === 'EEXIST'
        ? `There is a file ${path} already. Choose another name for the key.`
        : `${path} cannot be written (${code}).`,
    )
  }
  return path
}

/** What ends a key: at once and for good, or at a time. */
export type KeyEnd = { readonly revoked: true } | { readonly expirationTime: string }

/**
 * Writes how the key ends where the key is written; every other byte of the file stays.
 *
 * @returns the file, or undefined where no file below the folder holds the key in a form that can be edited.
 */
export async function endInFolder(
  folder: string,
  key: TenantKey,
  end: KeyEnd,
): Promise<string | undefined> {
  const { files } = await walkFolder(folder, new Set())
  for (const { path } of files) {
    const text = await readFile(path, 'utf8').catch(() => '')
    const edited = text.includes(key.spec.sha256) ? endInText(text, key, end) : undefined
    if (edited !== undefined) {
      if (edited !== text) {
        await replace(path, edited)
      }
      return path
    }
  }
  return undefined
}

/** The text with the key's end in it; undefined where the key is not in there, or not as plain fields. */
export function endInText(text: string, key: TenantKey, end: KeyEnd): string | undefined {
  const [field, value] =
    'revoked' in end
      ? (['revoked', 'true'] as const)
      : (['expirationTime', JSON.stringify(end.expirationTime)] as const)
  const documents = parseAllDocuments(text)
  const list = Array.isArray(documents) ? documents : []
  const found = list.flatMap(keyMaps).find((map) => isKey(map, key))
  const spec: unknown = found?.get('spec', true)
  if (!isMap(spec) || list.some(({ errors }) => errors.length > 0)) {
    return undefined
  }
  const pairOf = (name: string) => spec.items.find(({ key }) => isScalar(key) && key.value === name)
  const present = pairOf(field)
  if (isScalar(present?.value) && present.value.range) {
    const [from, to] = present.value.range
    return `${text.slice(0, from)}${from === to ? ' ' : ''}${value}${text.slice(to)}`
  }
  const neighbour = pairOf('sha256')?.key
  if (present !== undefined || !isScalar(neighbour) || !neighbour.range) {
    return undefined
  }
  const [at] = neighbour.range
  const indent = /[^\n]*$/.exec(text.slice(0, at))?.[0] ?? ''
  const separator = spec.flow === true ? ', ' : `\n${indent}`
  return `${text.slice(0, at)}${field}: ${value}${separator}${text.slice(at)}`
}

/** Through a link to the file behind it, with the mode it has. */
async function replace(path: string, text: string): Promise<void> {
  const target = await realpath(path)
  const { mode } = await stat(target)
  await atomicWrite(target, text, mode & 0o777)
}

/** The maps of a document that may be objects: itself, or the items of a list. */
function keyMaps(document: Document): readonly YAMLMap[] {
  const { contents } = document
  if (!isMap(contents)) {
    return []
  }
  const items = contents.get('items', true)
  return isSeq(items) ? [contents, ...items.items.filter((item) => isMap(item))] : [contents]
}

function isKey(map: YAMLMap, key: TenantKey): boolean {
  const { name, namespace } = key.metadata
  return (
    map.get('kind') === 'TenantKey' &&
    map.getIn(['metadata', 'name']) === name &&
    (map.getIn(['metadata', 'namespace']) ?? 'default') === namespace &&
    map.getIn(['spec', 'sha256']) === key.spec.sha256
  )
}
