import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { fetchFromPath, type PathFetch } from './file-source.ts'
import { problem, quoted } from './problems.ts'
import type { FetchOutcome } from './types.ts'

export interface ClaimFetch extends Pick<
  PathFetch,
  'store' | 'expectedDigest' | 'maxBytes' | 'signal'
> {
  /** Where claims are mounted: `<claimsFolder>/<namespace>/<claim>`. */
  readonly claimsFolder: string | undefined
  readonly namespace: string
  readonly claim: string
  /** Normal, without slashes at its ends. */
  readonly path: string
}

const nameOfClaim = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/

/** An adapter on a volume: of its own namespace, and never out of its claim. */
export async function fetchFromClaim(fetch: ClaimFetch): Promise<FetchOutcome> {
  const { claimsFolder, namespace, claim, path } = fetch
  const shown = quoted(`pvc://${claim}/${path}`)
  const named = nameOfClaim.test(namespace) && nameOfClaim.test(claim)
  const root =
    claimsFolder === undefined || !named
      ? undefined
      : await realpath(join(claimsFolder, namespace, claim)).catch(() => undefined)
  if (root === undefined) {
    return {
      outcome: 'Failed',
      problem: problem(
        'SourceNotFound',
        `${shown} is on a claim that the depot has not mounted. Its operator can mount it at ${namespace}/${claim} of --claims-folder (depot.extraVolumes of the chart); the fetch is tried again.`,
      ),
    }
  }
  return fetchFromPath({ ...fetch, path: join(root, path), shown, root })
}
