import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { problem, quoted } from './problems.ts'
import type { AdapterProblem } from './types.ts'

export type SourcePath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly problem: AdapterProblem }

/** `file:///absolute`, or `file:./x` and `file:../x` beside the YAML they are written in. Percent signs are decoded. */
export function pathOfFileUri(uri: string, baseFolder: string): SourcePath {
  const path = /^file:\.\.?\//.test(uri) ? relative(uri, baseFolder) : absolute(uri)
  return path === undefined || path.includes('\0')
    ? {
        ok: false,
        problem: problem(
          'SourceInvalid',
          `The source ${quoted(uri)} cannot be read. Write file:///absolute/path, or file:./path relative to the YAML's folder.`,
        ),
      }
    : { ok: true, path }
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
