import { PoolAdmission } from '../../src/gateway/admission/admission.ts'
import {
  defaultAdmissionLimits,
  type AdmissionLimits,
} from '../../src/gateway/admission/queue-bounds.ts'
import type { Ticket } from '../../src/gateway/admission/ticket.ts'
import type { ReplicaView } from '../../src/gateway/replica-view.ts'
import type { FakeView } from './fake-view.ts'

/** `a1` is the first ticket for revision `a`; `base1` one for the base. */
export function aTicket(
  name: string,
  fields: Partial<Ticket> & Pick<Ticket, 'cameAt' | 'place' | 'refuse'>,
): Ticket {
  const revision = name.replace(/\d+$/, '')
  return {
    revision: revision === 'base' ? undefined : revision,
    tenant: 'acme',
    weight: 1,
    sizeBytes: 100,
    isStreamed: true,
    deadline: fields.cameAt + 30_000,
    coldStart: undefined,
    tried: new Set(),
    lost: undefined,
    isOnTrial: false,
    ...fields,
  }
}

/** @param views asked at each look, as they are then */
export function anAdmission(
  views: () => readonly FakeView[],
  now: () => number,
  limits: Partial<AdmissionLimits> = {},
): PoolAdmission {
  return new PoolAdmission(
    () => [...views()] as unknown as ReplicaView[],
    { ...defaultAdmissionLimits, ...limits },
    now,
  )
}
