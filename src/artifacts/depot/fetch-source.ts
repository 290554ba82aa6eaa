import { realpath } from 'node:fs/promises'
import type { FetchRequest } from '../../wire/depot-protocol.ts'
import { fetchFromClaim } from '../claim/claim-source.ts'
import type { ContentStore } from '../content-store.ts'
import { fetchFromPath } from '../file-source.ts'
import { isInside } from '../folder-source.ts'
import type { GuardedHttpOptions } from '../https/guarded-http.ts'
import type { PaceOptions } from '../https/pace.ts'
import { fetchFromHttps } from '../https-source.ts'
import { problem, quoted } from '../problems.ts'
import { parseSourceUri } from '../source-uri.ts'
import type { AdapterProblem, FetchOutcome } from '../types.ts'
import { credentialsOf, type SourceCredentials, type SourceSecret } from './source-secret.ts'

export interface SourceSettings {
  /** Folders of the depot's container that `file:` may lead into. */
  readonly fileRoots: readonly string[]
  readonly allowPrivateHosts: ReadonlySet<string>
  readonly maxBytes: number
  readonly resolve?: GuardedHttpOptions['resolve']
  /** What a server must send at least. */
  readonly pace?: Partial<PaceOptions>
  readSecret(
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<SourceSecret | undefined>
}

const anonymous: SourceCredentials = { authorization: undefined, ca: undefined, hosts: undefined }

/** Not for good: a newer controller comes with the next leader. */
const noReader =
  'The controller named no pod that reads the claim, as one of an earlier release does not. It is tried again.'

/** One adapter from wherever its URI leads, on its own credentials. */
export async function fetchSource(
  request: FetchRequest,
  store: ContentStore,
  settings: SourceSettings,
  signal: AbortSignal,
): Promise<FetchOutcome> {
  const parsed = parseSourceUri(request.uri, '/')
  if (!parsed.ok) {
    return refused(parsed.problem)
  }
  const { source } = parsed
  const { expectedDigest, reader } = request
  const shared = { store, expectedDigest, maxBytes: settings.maxBytes, signal }
  switch (source.scheme) {
    case 'file':
      return fetchFile(source.path, request, settings, shared)
    case 'pvc':
      return reader === undefined
        ? { outcome: 'Failed', problem: problem('ClaimNotMounted', noReader) }
        : fetchFromClaim({ ...shared, reader, path: source.path })
    case 'https': {
      const read = await readCredentials(request, settings, signal)
      if (!read.ok) {
        return { outcome: 'Failed', problem: read.problem }
      }
      const { allowPrivateHosts, resolve, pace } = settings
      const http = { ...read.credentials, allowPrivateHosts }
      return fetchFromHttps({
        ...shared,
        url: source.url,
        pace,
        http: resolve === undefined ? http : { ...http, resolve },
      })
    }
    case 'hf':
      return refused(
        problem('SourceInvalid', 'Adapters are not read from hf:// yet; write https:// or pvc://.'),
      )
    default:
      return source satisfies never
  }
}

async function fetchFile(
  path: string,
  { uri }: FetchRequest,
  { fileRoots }: SourceSettings,
  shared: Pick<
    Parameters<typeof fetchFromPath>[0],
    'store' | 'expectedDigest' | 'maxBytes' | 'signal'
  >,
): Promise<FetchOutcome> {
  const roots = await Promise.all(fileRoots.map((root) => realpath(root).catch(() => root)))
  const real = await realpath(path).catch(() => path)
  const root = roots.find((one) => isInside(real, one))
  return root === undefined
    ? refused(
        problem(
          'SourceForbidden',
          `${quoted(uri)} is in none of the folders that the depot reads. Its operator can add one with --file-root (the chart’s depot.fileRoots); pvc:// and https:// need none.`,
        ),
      )
    : fetchFromPath({ ...shared, path: real, shown: quoted(uri), root })
}

async function readCredentials(
  { origin }: FetchRequest,
  settings: SourceSettings,
  signal: AbortSignal,
): Promise<ReturnType<typeof credentialsOf>> {
  const { secret } = origin
  if (secret === undefined) {
    return { ok: true, credentials: anonymous }
  }
  const { namespace, name } = secret
  try {
    const found = await settings.readSecret(namespace, name, signal)
    return credentialsOf(found, `${namespace}/${name}`)
  } catch (error) {
    signal.throwIfAborted()
    const why = error instanceof Error ? error.name : 'error'
    const message = `Secret ${namespace}/${name} could not be read (${why}). The fetch is tried again.`
    return { ok: false, problem: problem('CredentialsInvalid', message) }
  }
}

function refused(cause: AdapterProblem): FetchOutcome {
  return { outcome: 'Refused', problem: cause }
}
