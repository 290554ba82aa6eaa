import { describe, expect, it } from 'vitest'
import { aFleet, aRequest, aView, busy } from '../../../../test/support/lab-fleet.ts'
import type { RoutePolicy } from '../policy.ts'
import { preble } from './preble.ts'

const costs = { stepMs: 10, perRequestMs: 0.1, perAdapterMs: 0.5, perPromptTokenMs: 1, loadMs: 100 }
const conversation = Array.from({ length: 10 }, (_, at) => at)

function goal(
  policy: RoutePolicy,
  fleet: ReturnType<typeof aFleet>,
  blocks: readonly number[],
  input = 160,
  nowMs = 0,
): number {
  const decided = policy.route(aRequest({ blocks, input }), aView(fleet, nowMs))
  return decided.choice === 'Send' ? decided.to.index : -1
}

describe('E2', () => {
  it('exploits: goes back to who has more than half of the prompt, busy or not', () => {
    const fleet = aFleet(3)
    const policy = preble({ costs, kvTokens: 100_000 })
    const home = goal(policy, fleet, conversation)
    busy(fleet[home], 20)
    expect(goal(policy, fleet, [...conversation.slice(0, 6), 90, 91, 92, 93])).toBe(home)
  })

  it('explores: goes to the least load where half or less is cached', () => {
    const fleet = aFleet(3)
    const policy = preble({ costs, kvTokens: 100_000 })
    const home = goal(policy, fleet, conversation)
    busy(fleet[home], 20)
    expect(goal(policy, fleet, [...conversation.slice(0, 5), 90, 91, 92, 93, 94])).not.toBe(home)
  })

  it('counts prompts of the last three minutes as load', () => {
    const fleet = aFleet(2)
    const policy = preble({ costs, kvTokens: 100_000 })
    expect(goal(policy, fleet, [1], 1000)).toBe(0)
    expect(goal(policy, fleet, [2], 100)).toBe(1)
    expect(goal(policy, fleet, [3], 100, 170_000)).toBe(1)
    // What went before is forgotten: 0 of the first, 100 of the second.
    expect(goal(policy, fleet, [4], 100, 181_000)).toBe(0)
  })

  it('counts the recomputing of what it would push out', () => {
    const fleet = aFleet(2)
    const policy = preble({ costs, kvTokens: 160 })
    const home = goal(policy, fleet, conversation)
    for (let again = 0; again < 5; again += 1) {
      goal(policy, fleet, conversation)
    }
    // Both have had 160 tokens of prompts or fewer lately; the first is full with blocks that were used six times.
    const other = Array.from({ length: 10 }, (_, at) => 50 + at)
    expect(goal(policy, fleet, other)).toBe(1 - home)
  })
})
