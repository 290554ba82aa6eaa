import { stat } from 'node:fs/promises'
import type { ContentStore } from './content-store.ts'
import { isDigest } from './digest.ts'
import { fillFromFolder } from './folder-source.ts'
import { problem, quoted } from './problems.ts'
import { pathOfFileUri } from './source-uri.ts'
import { codeOf } from './storage-error.ts'
import { fillFromArchive } from './tar-source.ts'
import type { AdapterProblem, FetchOutcome } from './types.ts'

export interface FileFetch {
  /** `file:` URI of a folder or a `.tar.gz`. */
  readonly uri: string
  /** Where `file:./…` begins: the folder of the YAML. */
  readonly baseFolder: string
  readonly store: ContentStore
  /** 64 hex digits, optionally after `sha256:`. */
  readonly expectedDigest?: string | undefined
  /** For both files together. */
  readonly maxBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** A rank-64 LoRA over all linear layers of a 70B model is about 3.3 GB in bf16. */
export const defaultMaxAdapterBytes = 8 * 1024 ** 3

/**
 * Copies an adapter into the store. Everything that can be wrong with the source is an outcome; rejects only with the
 * signal's reason, or for a bug. Only the two files an adapter consists of are ever copied.
 */
export async function fetchFromFile(fetch: FileFetch): Promise<FetchOutcome> {
  const source = pathOfFileUri(fetch.uri, fetch.baseFolder)
  return source.ok
    ? fetchFromPath({ ...fetch, path: source.path, shown: quoted(fetch.uri) })
    : refused(source.problem)
}

export interface PathFetch extends Omit<FileFetch, 'uri' | 'baseFolder'> {
  /** Absolute, of a folder or a `.tar.gz`. */
  readonly path: string
  /** How messages call it. */
  readonly shown: string
  /** A folder, links resolved, that nothing read may lie outside of; undefined: anywhere. */
  readonly root?: string | undefined
}

/** As `fetchFromFile`, from a path. */
export async function fetchFromPath(fetch: PathFetch): Promise<FetchOutcome> {
  const { store, signal, root, shown, maxBytes = defaultMaxAdapterBytes } = fetch
  const digest = fetch.expectedDigest?.replace(/^sha256:/, '').toLowerCase()
  if (digest !== undefined && !isDigest(digest)) {
    return refused(problem('SourceInvalid', 'source.digest is not 64 hex digits.'))
  }
  const kind = await kindOfPath(fetch.path)
  switch (kind) {
    case 'Folder':
      return store.put(
        (staging) => fillFromFolder(staging, { folder: fetch.path, root, maxBytes, signal }),
        digest,
      )
    case 'Archive':
      return store.put(
        (staging) => fillFromArchive(staging, { path: fetch.path, root, maxBytes, signal }),
        digest,
      )
    case 'Absent':
    case 'Other':
    case 'Unreadable':
      return noAdapterAt(kind, shown)
    default:
      return kind satisfies never
  }
}

/** What is said of a path with neither a folder nor an archive. */
export function noAdapterAt(
  kind: Exclude<PathKind, 'Folder' | 'Archive'>,
  shown: string,
): Extract<FetchOutcome, { readonly problem: AdapterProblem }> {
  switch (kind) {
    case 'Absent':
      return refused(
        problem(
          'SourceNotFound',
          `There is nothing at ${shown}. Check the path; file:./x begins at the YAML's own folder.`,
        ),
      )
    case 'Other':
      return refused(
        problem(
          'SourceInvalid',
          `${shown} is neither a folder nor a .tar.gz file. Point it at the folder that save_pretrained wrote, or pack that folder.`,
        ),
      )
    case 'Unreadable':
      return {
        outcome: 'Failed',
        problem: problem(
          'SourceUnreadable',
          `${shown} cannot be read by this process. Check its permissions; the fetch is tried again.`,
        ),
      }
    default:
      return kind satisfies never
  }
}

export type PathKind = 'Folder' | 'Archive' | 'Absent' | 'Other' | 'Unreadable'

/** The path itself is the operator's and may be a link. */
export async function kindOfPath(path: string): Promise<PathKind> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) {
      return 'Folder'
    }
    return found.isFile() && /\.(?:tar\.gz|tgz)$/i.test(path) ? 'Archive' : 'Other'
  } catch (error) {
    const code = codeOf(error)
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'Absent' : 'Unreadable'
  }
}

function refused(cause: AdapterProblem) {
  return { outcome: 'Refused', problem: cause } as const
}
