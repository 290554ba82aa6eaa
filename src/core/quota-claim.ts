import type { LoraAdapterStatus } from '../api/condition.ts'
import type { LoraAdapter } from '../api/lora-adapter.ts'
import type { Intake } from './adapter-plan.ts'
import type { QuotaClaim } from './adapter-quota.ts'
import { presentContentOf } from './present-content.ts'

/**
 * What an adapter asks of its tenant's quota. Until its present content is known it counts with what it had before.
 * @param intake undefined where nobody has begun on the present spec, as for one that is beyond its quota
 * @param statusOf asked only where the intake does not say it all
 */
export function quotaClaimOf(
  adapter: LoraAdapter,
  intake: Intake | undefined,
  statusOf: () => LoraAdapterStatus | undefined,
): QuotaClaim {
  const { residency, suspend } = adapter.spec
  const minCopies = suspend ? 0 : residency.minCopies
  if (intake?.state === 'Accepted') {
    const { digest, sizeBytes } = intake
    return { digest, sizeBytes, isMeasured: true, minCopies }
  }
  const status = statusOf()
  const present =
    intake === undefined ? presentContentOf(status, adapter.metadata.generation) : undefined
  return {
    digest: present?.digest ?? status?.revisions.at(-1)?.digest,
    sizeBytes: status?.sizeBytes ?? 0,
    isMeasured: present !== undefined,
    minCopies,
  }
}
