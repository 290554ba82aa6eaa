import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { problem, quoted } from './problems.ts'
import type { AdapterProblem } from './types.ts'

/** Where content is, in parts that need no further parsing. */
export type SourceUri =
  /** Absolute and normal. */
  | { readonly scheme: 'file'; readonly path: string }
  /** `path` has no slash at its ends and no `.` or `..`; empty for the whole volume. */
  | { readonly scheme: 'pvc'; readonly claim: string; readonly path: string }
  /** Normal, without user, query and fragment. */
  | { readonly scheme: 'https'; readonly url: string }
  | { readonly scheme: 'hf'; readonly repository: string; readonly revision: string }

export type ParsedSource =
  | { readonly ok: true; readonly source: SourceUri }
  | { readonly ok: false; readonly problem: AdapterProblem }

export type SourcePath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly problem: AdapterProblem }

/** Any of our URIs; `baseFolder` is what a relative `file:` starts from. */
export function parseSourceUri(uri: string, baseFolder: string): ParsedSource {
  if (uri.startsWith('file:')) {
    const found = pathOfFileUri(uri, baseFolder)
    return found.ok ? { ok: true, source: { scheme: 'file', path: found.path } } : found
  }
  const source = parseRemote(uri)
  return source === undefined
    ? invalid(
        uri,
        'Write file:///absolute/path, pvc://claim/path, https://host/file.tar.gz or hf://organisation/name@revision, without . or .. as a step, user, ? and #.',
      )
    : { ok: true, source }
}

/**
 * What `lora.sources` prefixes are compared with: an absolute path, or a URL. Two URIs that lead to one place have one,
 * so that no way of writing it escapes a prefix.
 */
export function placeOf(source: SourceUri): string {
  switch (source.scheme) {
    case 'file':
      return source.path.replace(/\/$/, '')
    case 'pvc':
      return `pvc://${source.claim}/${source.path}`
    case 'https':
      return source.url
    case 'hf':
      return `hf://${source.repository}@${source.revision}`
    default:
      return source satisfies never
  }
}

/** A prefix in the same form, without its last slash, `${namespace}` left as it is; undefined when it leads nowhere. */
export function placeOfPrefix(uriPrefix: string, baseFolder: string): string | undefined {
  if (uriPrefix.startsWith('file:')) {
    const found = pathOfFileUri(uriPrefix, baseFolder)
    return found.ok ? found.path.replace(/\/$/, '') : undefined
  }
  // The schema takes only prefixes that are in their normal form already, but for https' own port.
  return uriPrefix.replace(/^(https:\/\/[^/]*):443\//, '$1/').replace(/\/$/, '')
}

/** `file:///absolute`, or `file:./x` and `file:../x` beside the YAML they are written in. Percent signs are decoded. */
export function pathOfFileUri(uri: string, baseFolder: string): SourcePath {
  const path = /^file:\.\.?\//.test(uri) ? relative(uri, baseFolder) : absolute(uri)
  return path === undefined || path.includes('\0')
    ? invalid(uri, "Write file:///absolute/path, or file:./path relative to the YAML's folder.")
    : { ok: true, path }
}

function invalid(uri: string, words: string) {
  return {
    ok: false,
    problem: problem('SourceInvalid', `The source ${quoted(uri)} cannot be read. ${words}`),
  } as const
}

function relative(uri: string, baseFolder: string): string | undefined {
  try {
    return resolve(baseFolder, decodeURIComponent(uri.slice('file:'.length)))
  } catch {
    return undefined
  }
}

function absolute(uri: string): string | undefined {
  // A query or a fragment would be dropped silently: a path with ? or # is written %3F, %23.
  if (!/^file:\/(?:\/\/|[^/])/.test(uri) || /[?#]/.test(uri)) {
    return undefined
  }
  try {
    return fileURLToPath(uri)
  } catch {
    return undefined
  }
}

function parseRemote(uri: string): SourceUri | undefined {
  if (/[?#\s\\]/.test(uri) || /\/\.{1,2}(\/|$)/.test(uri)) {
    return undefined
  }
  const hub = /^hf:\/\/([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*)@([A-Za-z0-9][\w./-]*)$/.exec(uri)
  if (hub !== null) {
    return { scheme: 'hf', repository: hub[1] ?? '', revision: hub[2] ?? '' }
  }
  const volume = /^pvc:\/\/([a-z0-9][-.a-z0-9]*)(?:\/(.*))?$/.exec(uri)
  if (volume !== null) {
    const path = (volume[2] ?? '').split('/').filter((step) => step !== '')
    return { scheme: 'pvc', claim: volume[1] ?? '', path: path.join('/') }
  }
  return /^https:\/\/[^/]/.test(uri) ? parseHttps(uri) : undefined
}

function parseHttps(uri: string): SourceUri | undefined {
  // Servers that decode %2F and %5C would see other steps than the prefix did; %25 could hide either.
  if (/%(2f|5c|25)/i.test(uri) || !URL.canParse(uri)) {
    return undefined
  }
  const url = new URL(uri)
  return url.username === '' && url.password === ''
    ? { scheme: 'https', url: `${url.origin}${url.pathname.replace(/\/{2,}/g, '/')}` }
    : undefined
}
