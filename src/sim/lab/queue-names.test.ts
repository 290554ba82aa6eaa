import { expect, it } from 'vitest'
import { labEngine } from './lab-engine.ts'
import { leastRequests } from './policies/simple.ts'
import { queueNamed, queueNames, usualQueue } from './queue-names.ts'
import { runLab } from './run-lab.ts'
import { syntheticTape } from './workloads/synthetic.ts'
import { tiny } from '../profile.ts'

const engine = labEngine({
  profile: tiny,
  maxLoras: 4,
  maxCpuLoras: 20,
  maxLoraRank: 16,
  maxNumSeqs: 64,
  maxNumBatchedTokens: 2048,
})
const tape = syntheticTape({ adapters: 8, zipf: 1, rate: 20, seconds: 10, seed: 1 })
const context = { policy: leastRequests(), promptTokenMs: 1, requestsPerMinute: 1000, limit: 4 }

it.each(queueNames)('%s says where it comes from, and all that it admits is served', (name) => {
  const made = queueNamed(name, context)
  expect(made?.queue.source).not.toBe('')
  const policy = made?.policy ?? leastRequests()
  const queue = made === undefined ? {} : { queue: made.queue }
  const run = runLab({ tape, policy, ...queue, replicas: 2, engine, seed: 1 })
  expect(run.requests.filter(({ endMs }) => Number.isNaN(endMs))).toEqual([])
  expect(made?.queue.length).toBe(0)
})

it('a queue is made afresh each time, as it has a memory', () => {
  expect(queueNamed('vtc', context)?.queue).not.toBe(queueNamed('vtc', context)?.queue)
  expect(queueNamed('no-such-queue', context)).toBeUndefined()
})

it('the usual one leaves the routing rule as it is', () => {
  const { limit: _, ...unbounded } = context
  expect(queueNamed(usualQueue, unbounded)?.policy).toBe(context.policy)
})
