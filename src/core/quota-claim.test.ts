import { expect, test } from 'vitest'
import { anAdapter, anAdapterStatus, sha256 } from '../../test/support/builders.ts'
import type { LoraAdapterStatus } from '../api/condition.ts'
import type { Intake } from './adapter-plan.ts'
import { keptDigests } from './kept-digests.ts'
import { quotaClaimOf } from './quota-claim.ts'

const digest = sha256('r1')
const accepted: Intake = {
  state: 'Accepted',
  digest: 'new',
  sizeBytes: 7,
  rank: 8,
  compatible: 'True',
  notices: [],
}
const pending: Intake = { state: 'Pending', message: '' }

/** A status that says of its one revision that it was fetched, or that it is beyond the quota. */
function statusOf(
  ready: readonly ['True' | 'False', string],
  fetched?: string,
  generation = 1,
): LoraAdapterStatus {
  const status = anAdapterStatus({ active: 'r1', ready })
  const [first] = status.conditions
  return {
    ...status,
    observedGeneration: generation,
    sizeBytes: 5,
    conditions:
      first === undefined || fetched === undefined
        ? status.conditions
        : [...status.conditions, { ...first, type: 'Fetched', message: fetched }],
  }
}

const before = { digest, sizeBytes: 5, isMeasured: false }

test.each([
  [
    'nothing is known of',
    undefined,
    undefined,
    { digest: undefined, sizeBytes: 0, isMeasured: false },
  ],
  [
    'was just accepted',
    accepted,
    statusOf(['True', 'Ready']),
    { digest: 'new', sizeBytes: 7, isMeasured: true },
  ],
  ['is looked at again', pending, statusOf(['True', 'Ready'], `sha256:${digest}`), before],
  [
    'was fetched in an earlier life',
    undefined,
    statusOf(['True', 'Ready'], `sha256:${digest}`),
    { ...before, isMeasured: true },
  ],
  [
    'was beyond the quota',
    undefined,
    statusOf(['False', 'QuotaExceeded']),
    { ...before, isMeasured: true },
  ],
  [
    'was beyond the quota with another spec',
    undefined,
    statusOf(['False', 'QuotaExceeded'], undefined, 0),
    before,
  ],
  [
    'was being fetched, and something older answers',
    undefined,
    statusOf(['False', 'Fetching'], 'It is being fetched.'),
    before,
  ],
  [
    'was refused, and something older answers',
    undefined,
    statusOf(['False', 'NotFinite'], 'sha256:other'),
    before,
  ],
] as const)('one that %s', (_what, intake, status, want) => {
  const claim = quotaClaimOf(anAdapter('a').withCopies(3).build(), intake, () => status)
  expect(claim).toEqual({ ...want, minCopies: 3 })
})

test('one that is suspended asks for no copies', () => {
  const adapter = anAdapter('a').withCopies(3).suspended().build()
  expect(quotaClaimOf(adapter, undefined, () => undefined).minCopies).toBe(0)
})

test('content of one that is beyond its quota may go', () => {
  expect(keptDigests(statusOf(['True', 'Ready']))).toEqual([digest])
  expect(keptDigests(statusOf(['False', 'QuotaExceeded']))).toEqual([])
  expect(keptDigests(undefined)).toEqual([])
})
