import { describe, expect, it } from 'vitest'
import { aFleet, aRequest, aView, busy } from '../../../../test/support/lab-fleet.ts'
import type { RoutePolicy } from '../policy.ts'
import { llmD } from './llm-d.ts'

function goal(
  policy: RoutePolicy,
  fleet: ReturnType<typeof aFleet>,
  adapter = 1,
  blocks: readonly number[] = [],
): number {
  const decided = policy.route(aRequest({ adapter, blocks }), aView(fleet))
  return decided.choice === 'Send' ? decided.to.index : -1
}

describe('llm-d’s default profile', () => {
  it('ties at random', () => {
    const fleet = aFleet(3)
    const seen = Array.from({ length: 60 }, (_, seed) => {
      const decided = llmD().route(aRequest(), aView(fleet, 0, seed + 1))
      return decided.choice === 'Send' ? decided.to.index : -1
    })
    expect(new Set(seen).size).toBe(3)
  })

  it('prefers the empty queue, however small the difference', () => {
    const fleet = aFleet(2)
    // One runs, and one came while its step ran: a queue of one.
    busy(fleet[0], 2)
    expect(goal(llmD(), fleet)).toBe(1)
  })

  it('does not see where an adapter is', () => {
    const fleet = aFleet(2)
    busy(fleet[0], 1, 5)
    // No queue anywhere; the KV cache of the second is emptier.
    expect(goal(llmD(), fleet, 5)).toBe(1)
  })

  it('goes back to where it sent the prompt’s blocks, and to no other adapter’s', () => {
    const fleet = aFleet(3)
    const policy = llmD()
    const home = goal(policy, fleet, 1, [1, 2, 3])
    const views = Array.from({ length: 20 }, () => goal(policy, fleet, 1, [1, 2, 4]))
    expect(new Set(views)).toEqual(new Set([home]))
  })
})

describe('with lora-affinity', () => {
  it('goes to the adapter in flight before a free slot', () => {
    const fleet = aFleet(3)
    busy(fleet[1], 1, 5)
    expect(goal(llmD(4), fleet, 5)).toBe(1)
  })

  it('prefers a free slot to a full replica', () => {
    const fleet = aFleet(2, { maxLoras: 1 })
    busy(fleet[0], 1, 5)
    expect(goal(llmD(4), fleet, 6)).toBe(1)
  })

  it('is drowned by the queue at its usual weight: a queue of one moves two points, a free slot 0.2', () => {
    const fleet = aFleet(2)
    busy(fleet[0], 2, 5)
    expect(goal(llmD(1), fleet, 5)).toBe(1)
  })

  it('takes an adapter that only waits for active: vLLM lists both alike', () => {
    const fleet = aFleet(2, { maxLoras: 1 })
    busy(fleet[0], 1, 5)
    busy(fleet[0], 1, 6)
    // Full with 5; 6 waits there. The second replica has a free slot, but 6 is nowhere in flight there.
    expect(goal(llmD(100), fleet, 6)).toBe(0)
  })
})
