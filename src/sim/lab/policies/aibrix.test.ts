import { describe, expect, it } from 'vitest'
import { aFleet, aRequest, aView } from '../../../../test/support/lab-fleet.ts'
import type { RoutePolicy } from '../policy.ts'
import { vtcBasic } from './aibrix.ts'

function goal(
  policy: RoutePolicy,
  fleet: ReturnType<typeof aFleet>,
  tenant: string,
  input: number,
  nowMs = 0,
): number {
  const request = aRequest({ tenant, input, output: 1 })
  const decided = policy.route(request, aView(fleet, nowMs))
  return decided.choice === 'Send' ? decided.to.index : -1
}

describe('vtc-basic', () => {
  it('begins at the first replica and moves a tenant on with its tokens, in buckets of at least 1,000', () => {
    const fleet = aFleet(4)
    const policy = vtcBasic()
    expect(goal(policy, fleet, 'acme', 998)).toBe(0)
    // 1,000 tokens are the only sum, so the bucket is 1,000.
    expect(goal(policy, fleet, 'acme', 1000)).toBe(1)
  })

  it('takes the middle of the least and the most tokens for the bucket, so that the heaviest of two ends at 2', () => {
    const fleet = aFleet(4)
    const policy = vtcBasic()
    goal(policy, fleet, 'small', 8)
    goal(policy, fleet, 'big', 99_998)
    // Sums 10 and 100,000: a bucket of 50,005.
    expect(goal(policy, fleet, 'big', 10)).toBe(2)
    expect(goal(policy, fleet, 'small', 10)).toBe(0)
  })

  it('forgets tokens after five minutes', () => {
    const fleet = aFleet(4)
    const policy = vtcBasic()
    goal(policy, fleet, 'acme', 2000)
    expect(goal(policy, fleet, 'acme', 10, 299_000)).toBe(1)
    expect(goal(policy, fleet, 'acme', 10, 700_000)).toBe(0)
  })
})
