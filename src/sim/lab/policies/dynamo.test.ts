import { describe, expect, it } from 'vitest'
import { aFleet, aRequest, aView } from '../../../../test/support/lab-fleet.ts'
import type { LabReplica } from '../lab-replica.ts'
import type { RoutePolicy } from '../policy.ts'
import { dynamoHrw } from './dynamo.ts'

/** Routes and submits; the index it went to. */
function goal(
  policy: RoutePolicy,
  fleet: readonly LabReplica[],
  adapter: number,
  nowMs: number,
): number {
  const request = aRequest({ adapter })
  const decided = policy.route(request, aView(fleet, nowMs))
  if (decided.choice !== 'Send') {
    return -1
  }
  decided.to.submit(request, nowMs)
  return decided.to.index
}

describe('Dynamo’s placement', () => {
  it('pins an adapter without load to the first of its order', () => {
    const fleet = aFleet(4)
    const homes = [1, 2, 3].map(() => goal(dynamoHrw(), fleet, 7, 0))
    expect(new Set(homes).size).toBe(1)
  })

  it('gives the only adapter of a fleet a copy everywhere once it has planned, and goes to the least busy', () => {
    const fleet = aFleet(4)
    const policy = dynamoHrw()
    goal(policy, fleet, 7, 0)
    const seen = Array.from({ length: 7 }, () => goal(policy, fleet, 7, 3000))
    expect(new Set(seen)).toEqual(new Set([0, 1, 2, 3]))
    expect(fleet.every(({ inFlight }) => inFlight === 2)).toBe(true)
  })

  it('keeps to as many adapters a replica as it has slots', () => {
    const fleet = aFleet(3, { maxLoras: 2 })
    const policy = dynamoHrw()
    const adapters = [1, 2, 3, 4, 5, 6]
    for (const adapter of adapters) {
      goal(policy, fleet, adapter, 0)
    }
    const hosts = new Map<number, Set<number>>()
    for (const adapter of [...adapters, ...adapters]) {
      const at = goal(policy, fleet, adapter, 3000)
      hosts.set(at, (hosts.get(at) ?? new Set()).add(adapter))
    }
    expect([...hosts.values()].map(({ size }) => size)).toEqual([2, 2, 2])
  })

  it('takes copies away only after three steps', () => {
    const fleet = aFleet(4, { maxLoras: 1 })
    const policy = dynamoHrw()
    goal(policy, fleet, 7, 0)
    goal(policy, fleet, 7, 3000)
    // Others take its slots from now on.
    for (const nowMs of [3001, 3002, 3003, 6000, 9000]) {
      for (const adapter of [8, 9, 10]) {
        goal(policy, fleet, adapter, nowMs)
      }
    }
    const before = new Set(Array.from({ length: 12 }, () => goal(policy, fleet, 7, 9001)))
    goal(policy, fleet, 8, 18_000)
    const after = new Set(Array.from({ length: 12 }, () => goal(policy, fleet, 7, 18_001)))
    expect(before.size).toBeGreaterThan(1)
    expect(after.size).toBe(1)
  })

  it('sends the base anywhere', () => {
    const fleet = aFleet(3)
    const policy = dynamoHrw()
    const seen = Array.from({ length: 6 }, () => goal(policy, fleet, 0, 0))
    expect(new Set(seen).size).toBe(3)
  })
})
