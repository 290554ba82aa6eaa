import { createHash } from 'node:crypto'
import { z } from 'zod'

/**
 * What the depot asks the pod that reads a claim: `GET /v1/adapter?path=a/b` → a tar. In it are the two files of a
 * folder, or an archive as it lies there, and last of all how it went: what is cut off has no such end.
 */
export const claimRoutes = {
  adapter: (path: string): string => `/v1/adapter?path=${encodeURIComponent(path)}`,
} as const

/** Entries beside the adapter's own two files. */
export const claimEntries = { archive: 'archive.tar.gz', outcome: 'outcome.json' } as const

export const maxOutcomeBytes = 16 * 1024

const said = z.strictObject({ reason: z.string().max(64), message: z.string().max(4096) })

/** `outcome.json`. */
export const claimOutcome = z.discriminatedUnion('outcome', [
  z.strictObject({ outcome: z.literal('Read') }),
  z.strictObject({ outcome: z.literal('Refused'), problem: said }),
  z.strictObject({ outcome: z.literal('Failed'), problem: said }),
])
export type ClaimOutcome = z.infer<typeof claimOutcome>

/** What a reader knows its token by: everybody may see it who may read pods, and nobody gets the token from it. */
export function tokenDigestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
