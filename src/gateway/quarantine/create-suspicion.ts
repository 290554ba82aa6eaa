import type { RouteTarget } from '../../core/resolve.ts'
import type { InferenceRequest } from '../request/inference-request.ts'
import type { Quarantine } from './quarantine.ts'
import { Suspicion } from './suspicion.ts'

export function createSuspicion(
  quarantine: Quarantine,
  tenant: string,
  target: RouteTarget,
  request: InferenceRequest,
): Suspicion {
  const model = target.revision ?? target.poolKey
  return new Suspicion({
    quarantine,
    stream: request.stream,
    fingerprint: () => quarantine.fingerprintOf(tenant, model, request),
    now: () => performance.now(),
  })
}
