import { describe, expect, test } from 'vitest'
import { anAdapter, aPool, sha256 } from '../../test/support/builders.ts'
import type { LoraAdapterStatus } from '../api/condition.ts'
import { revisionOf } from '../api/names.ts'
import { planAdapter, type AdapterPlan, type Intake } from './adapter-plan.ts'
import type { QuotaGrant } from './adapter-quota.ts'

const digest = sha256('content')
const revision = revisionOf('models/llama', digest)
const accepted: Intake = {
  state: 'Accepted',
  digest,
  sizeBytes: 1000,
  rank: 8,
  compatible: 'True',
  notices: [],
}
const pending: Intake = { state: 'Pending', message: '' }

function plan(
  quota: QuotaGrant | undefined,
  intake: Intake = accepted,
  previous?: LoraAdapterStatus,
): AdapterPlan {
  const routable = { name: 'r0', ready: true, residencyOf: () => ({ state: 'Routable' }) as const }
  return planAdapter({
    adapter: anAdapter('tickets').withCopies(2).build(),
    pool: aPool('llama').build(),
    mayAttach: true,
    nameHolder: undefined,
    quota,
    intake,
    previous,
    replicas: [routable, { ...routable, name: 'r1' }],
    isAcknowledged: () => true,
    now: new Date('2026-11-20T12:00:00Z'),
  })
}

const readyOf = ({ status }: AdapterPlan): string | undefined => {
  const ready = status.conditions.find(({ type }) => type === 'Ready')
  return `${ready?.status} ${ready?.reason}: ${ready?.message}`
}

const loadedOn = ({ wanted }: AdapterPlan) => wanted.map((one) => one.loadedOn.length)

describe('an adapter beyond its quota', () => {
  const beyond: QuotaGrant = { excess: 'no room', minCopies: 0, shortage: undefined }
  const served = plan(undefined)

  test('goes, says why, and what it was found to be is remembered from pass to pass', () => {
    const first = plan(beyond, accepted, served.status)
    expect(readyOf(first)).toBe('False QuotaExceeded: no room')
    expect(first.wanted).toEqual([])
    expect(first.isJudging).toBe(false)
    expect(first.status).toMatchObject({
      revisions: [{ revision, digest, role: 'Candidate' }],
      sizeBytes: 1000,
      copies: { routable: 0, wanted: 0 },
    })
    expect(plan(beyond, pending, first.status).status).toEqual(first.status)
    expect(plan(beyond, pending, served.status).status).toEqual(first.status)
  })

  test('has no revision where it was never fetched, or not for this spec', () => {
    expect(plan(beyond, pending).status.revisions).toEqual([])
    const earlier = { ...served.status, observedGeneration: 0 }
    expect(plan(beyond, pending, earlier).status.revisions).toEqual([])
  })

  test('comes back as it was, once it is proved again', () => {
    const back = plan(undefined, accepted, plan(beyond, accepted, served.status).status)
    expect(readyOf(back)).toMatch(/^True Ready/)
    expect(back.status.revisions).toEqual(served.status.revisions)
  })
})

describe('an adapter without all of its reserved copies', () => {
  test('is loaded on the first call where it has none, and says so', () => {
    const none = plan({ excess: undefined, minCopies: 0, shortage: 'others have them' })
    expect(readyOf(none)).toBe('True OnDemand: It is loaded on the first call. others have them')
    expect(loadedOn(none)).toEqual([0])
  })

  test('is served as one that asked for fewer', () => {
    const one = plan({ excess: undefined, minCopies: 1, shortage: 'others have them' })
    expect(readyOf(one)).toMatch(/^True Ready/)
    expect(one.status.conditions.find(({ type }) => type === 'Resident')?.message).toContain(
      'others have them',
    )
  })
})
