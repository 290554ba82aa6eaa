import type { LoraAdapterStatus } from '../api/condition.ts'
import { quotaExceeded } from './quota-exceeded.ts'

/** Content that an adapter's status stands on; that of one beyond its quota may go. */
export function keptDigests(status: LoraAdapterStatus | undefined): readonly string[] {
  const isBeyond = status?.conditions.some(
    ({ type, reason }) => type === 'Ready' && reason === quotaExceeded,
  )
  return status === undefined || isBeyond === true
    ? []
    : status.revisions.map(({ digest }) => digest)
}
