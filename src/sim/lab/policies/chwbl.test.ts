import { describe, expect, it } from 'vitest'
import { aFleet, aRequest, aView, busy } from '../../../../test/support/lab-fleet.ts'
import type { RoutePolicy } from '../policy.ts'
import { chwbl } from './chwbl.ts'

function goal(policy: RoutePolicy, fleet: ReturnType<typeof aFleet>, adapter = 1): number {
  const decided = policy.route(aRequest({ adapter }), aView(fleet))
  return decided.choice === 'Send' ? decided.to.index : -1
}

describe('consistent hashing with bounded loads', () => {
  it('keeps an adapter at one replica while that has at most 1.25 × the mean, then goes on along the ring', () => {
    const fleet = aFleet(4)
    const policy = chwbl()
    const home = goal(policy, fleet)
    // 3 in flight: the bound is (3 + 1) / 4 × 1.25 = 1.25.
    for (const [index, replica] of fleet.entries()) {
      busy(replica, index === home ? 1 : index === (home + 1) % 4 ? 0 : 1)
    }
    expect(goal(policy, fleet)).toBe(home)
    busy(fleet[home], 1)
    const next = goal(policy, fleet)
    expect(next).not.toBe(home)
    expect(fleet[next]?.inFlight).toBeLessThanOrEqual(1)
  })

  it('spreads adapters over all replicas', () => {
    const fleet = aFleet(4)
    const policy = chwbl()
    const homes = Array.from({ length: 100 }, (_, at) => goal(policy, fleet, at + 1))
    expect(new Set(homes).size).toBe(4)
  })

  it('passes replicas that lack the adapter, and takes the first that has it when all who have it are full', () => {
    const fleet = aFleet(4)
    const home = goal(chwbl(), fleet)
    const policy = chwbl((_request, replica) => replica.index !== home)
    const second = goal(policy, fleet)
    expect(second).not.toBe(home)
    for (const replica of fleet) {
      busy(replica, replica.index === home ? 0 : 10)
    }
    expect(goal(policy, fleet)).toBe(second)
  })

  it('waits where no replica has the adapter', () => {
    const policy = chwbl(() => false)
    expect(policy.route(aRequest(), aView(aFleet(2)))).toEqual({ choice: 'Wait' })
  })

  it('has a ring of the replicas there are, not of as many as before', () => {
    const fleet = aFleet(4)
    const policy = chwbl()
    const home = goal(policy, fleet)
    const others = fleet.filter(({ index }) => index !== home)
    expect(goal(policy, others.slice(0, 2))).not.toBe(home)
    expect(goal(policy, fleet)).toBe(home)
  })
})
