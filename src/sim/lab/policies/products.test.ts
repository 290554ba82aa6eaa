import { describe, expect, it } from 'vitest'
import { aFleet, aRequest, aView, busy } from '../../../../test/support/lab-fleet.ts'
import type { RoutePolicy } from '../policy.ts'
import { lMetric, toppings } from './products.ts'

function goal(policy: RoutePolicy, fleet: ReturnType<typeof aFleet>, request = aRequest()): number {
  const decided = policy.route(request, aView(fleet))
  return decided.choice === 'Send' ? decided.to.index : -1
}

describe('LMetric', () => {
  it('multiplies the tokens to compute with the requests there', () => {
    const fleet = aFleet(2)
    // 3 × 1 token wait at the first: (100 + 3) × 4. One of 350 at the second: (100 + 350) × 2.
    for (let at = 0; at < 3; at += 1) {
      fleet[0]?.submit(aRequest({ input: 1 }), 0)
    }
    fleet[1]?.submit(aRequest({ input: 350 }), 0)
    expect(goal(lMetric(), fleet)).toBe(0)
    // For a long prompt the second's one request counts for less: (900 + 3) × 4 against (900 + 350) × 2.
    expect(goal(lMetric(), fleet, aRequest({ input: 900 }))).toBe(1)
  })

  it('counts cached blocks as computed', () => {
    const fleet = aFleet(2)
    const policy = lMetric()
    const blocks = [1, 2, 3, 4, 5, 6]
    const home = goal(policy, fleet, aRequest({ blocks, input: 100 }))
    expect(home).toBe(0)
    busy(fleet[1], 1)
    busy(fleet[0], 1)
    expect(goal(policy, fleet, aRequest({ blocks, input: 100 }))).toBe(0)
    expect(goal(policy, fleet, aRequest({ adapter: 2, blocks, input: 100 }))).toBe(0)
    busy(fleet[0], 1)
    expect(goal(policy, fleet, aRequest({ adapter: 2, blocks, input: 100 }))).toBe(1)
  })
})

describe('Toppings', () => {
  const costs = { stepMs: 20, perRequestMs: 1, perAdapterMs: 5, perPromptTokenMs: 0.1, loadMs: 50 }

  it('prefers a busier replica where the adapter is in the batch', () => {
    const fleet = aFleet(2)
    busy(fleet[0], 3, 1)
    busy(fleet[1], 2, 2)
    // (0.2 + 1) × 4 against (0.2 + 6) × 3.
    expect(goal(toppings({ costs, tpotMs: 1000 }), fleet, aRequest({ adapter: 1 }))).toBe(0)
    expect(goal(toppings({ costs, tpotMs: 1000 }), fleet, aRequest({ adapter: 3 }))).toBe(1)
  })

  it('passes a replica whose step would be beyond the objective', () => {
    const fleet = aFleet(2)
    busy(fleet[0], 6, 1)
    busy(fleet[1], 3, 2)
    // The first's step would be 20 + 6 + 5 + 1 = 32 ms, the second's 20 + 3 + 5 + 6 = 34 ms.
    expect(goal(toppings({ costs, tpotMs: 40 }), fleet, aRequest({ adapter: 1 }))).toBe(0)
    busy(fleet[0], 3, 1)
    expect(goal(toppings({ costs, tpotMs: 34 }), fleet, aRequest({ adapter: 1 }))).toBe(1)
  })
})
