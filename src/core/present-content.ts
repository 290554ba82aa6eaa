import type { LoraAdapterStatus } from '../api/condition.ts'
import { quotaExceeded } from './quota-exceeded.ts'

export interface PresentContent {
  readonly digest: string
  readonly sizeBytes: number
}

/** What an adapter's spec of this generation was found to stand for, by its status; undefined: nobody can tell from it. */
export function presentContentOf(
  status: LoraAdapterStatus | undefined,
  generation: number,
): PresentContent | undefined {
  const digest = status?.revisions.at(-1)?.digest
  if (
    status?.observedGeneration !== generation ||
    status.sizeBytes === undefined ||
    digest === undefined
  ) {
    return undefined
  }
  const { sizeBytes } = status
  // While other content is fetched or was refused, the last revision is still that of an earlier spec: `Fetched` names none or
  // another then. It names this one while it is only looked at again, too.
  const isPresent = status.conditions.some(
    ({ type, reason, message }) =>
      (type === 'Fetched' && message === `sha256:${digest}`) ||
      (type === 'Ready' && reason === quotaExceeded),
  )
  return isPresent ? { digest, sizeBytes } : undefined
}
