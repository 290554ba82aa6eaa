import { expect, test } from 'vitest'
import { aPool } from '../../../test/support/builders.ts'
import { Autoscaler } from './autoscaler.ts'

test('more replicas that were decided on are not taken back before anybody has written them', () => {
  const pool = aPool('llama').with({ scaling: { minReplicas: 1, maxReplicas: 8 } })
  let nowMs = 0
  let demand = { waiting: 0, running: 4, arrivals: 4 }
  const changes: number[] = []
  const autoscaler = new Autoscaler({
    demandOf: () => ({ ...demand, isFresh: true, silence: undefined }),
    // What the cluster was last heard to have.
    replicasOf: () => ({ current: 1, ready: 1 }),
    isJudging: () => false,
    onChange: (_key, desired) => changes.push(desired),
    now: () => nowMs,
  })
  autoscaler.sync([pool.build()])
  autoscaler.look()
  nowMs += 1000
  demand = { waiting: 60, running: 8, arrivals: 68 }
  autoscaler.look()
  const most = autoscaler.desiredOf(pool.key)
  expect(most).toBeGreaterThan(1)
  nowMs += 100
  demand = { waiting: 0, running: 8, arrivals: 68 }
  autoscaler.look()
  expect([autoscaler.desiredOf(pool.key), changes.at(-1)]).toEqual([most, most])
})
