import { describe, expect, it } from 'vitest'
import { aFleet, aRequest, aView, busy } from '../../../../test/support/lab-fleet.ts'
import type { LabReplica } from '../lab-replica.ts'
import type { RoutePolicy } from '../policy.ts'
import { createRandom } from '../random.ts'
import { leastRequests, powerOfTwo, randomPolicy, roundRobin } from './simple.ts'

/** Where so many requests of one view go, by index; nothing is submitted. */
function goals(
  policy: RoutePolicy,
  replicas: readonly LabReplica[],
  count: number,
): readonly number[] {
  const view = { nowMs: 0, replicas, random: createRandom(3) }
  return Array.from({ length: count }, () => {
    const decided = policy.route(aRequest(), view)
    return decided.choice === 'Send' ? decided.to.index : -1
  })
}

describe('round robin', () => {
  it('goes round', () => {
    expect(goals(roundRobin(), aFleet(3), 5)).toEqual([0, 1, 2, 0, 1])
  })
})

describe('random', () => {
  it('goes everywhere about as often, whatever the load', () => {
    const fleet = aFleet(4)
    busy(fleet[0], 50)
    const counts = [0, 0, 0, 0]
    for (const index of goals(randomPolicy(), fleet, 4000)) {
      counts[index] = (counts[index] ?? 0) + 1
    }
    expect(counts.every((count) => count > 850 && count < 1150)).toBe(true)
  })
})

describe('least requests', () => {
  it('goes where fewest are in flight, to any of equals', () => {
    const fleet = aFleet(4)
    busy(fleet[0], 2)
    busy(fleet[2], 1)
    const seen = goals(leastRequests(), fleet, 200)
    expect(new Set(seen)).toEqual(new Set([1, 3]))
    expect(seen.filter((index) => index === 1).length).toBeGreaterThan(70)
    expect(seen.filter((index) => index === 3).length).toBeGreaterThan(70)
  })
})

describe('power of two', () => {
  it('takes the less busy of two, so that the busiest gets what drew it twice', () => {
    const fleet = aFleet(4)
    for (const [index, replica] of fleet.entries()) {
      busy(replica, index)
    }
    const seen = goals(powerOfTwo(), fleet, 4000)
    const parts = [0, 1, 2, 3].map((index) => seen.filter((each) => each === index).length / 4000)
    // Of two draws from four: the least of them is the nth with (9 - 2n)/16.
    expect(parts[0]).toBeCloseTo(7 / 16, 1)
    expect(parts[3]).toBeCloseTo(1 / 16, 1)
  })
})

it('no rule fails where there is no replica', () => {
  for (const policy of [randomPolicy(), roundRobin(), leastRequests(), powerOfTwo()]) {
    expect(policy.route(aRequest(), aView([]))).toEqual({ choice: 'Wait' })
  }
})
