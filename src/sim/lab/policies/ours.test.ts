import { describe, expect, it } from 'vitest'
import { aFleet, aRequest, aView, busy } from '../../../../test/support/lab-fleet.ts'
import { h100Llama8b } from '../../profile.ts'
import { labCosts, labEngine } from '../lab-engine.ts'
import { outcomeOf, type Outcome } from '../outcome.ts'
import type { RoutePolicy } from '../policy.ts'
import { runLab } from '../run-lab.ts'
import { syntheticTape } from '../workloads/synthetic.ts'
import { ours } from './ours.ts'
import { leastRequests } from './simple.ts'

const engine = labEngine({
  profile: h100Llama8b,
  maxLoras: 32,
  maxCpuLoras: 128,
  maxLoraRank: 16,
  maxNumSeqs: 1024,
  maxNumBatchedTokens: 2048,
})
const costs = labCosts(engine)

function played(policy: RoutePolicy, rate: number): Outcome {
  const tape = syntheticTape({ adapters: 128, zipf: 1, rate, seconds: 60, seed: 7 })
  const run = runLab({ tape, policy, replicas: 8, engine, seed: 1, afterMs: 30_000 })
  return outcomeOf(run, { ttftMs: 1000, tpotMs: 50 }, 20_000)
}

describe('our routing', () => {
  it('keeps the objective at a load at which counting requests is far from it', () => {
    const [mine, counted] = [played(ours({ costs }), 130), played(leastRequests(), 130)]
    expect(mine.attainment).toBeGreaterThan(0.99)
    expect(counted.attainment).toBeLessThan(0.7)
    expect(mine.meanActive).toBeLessThan(0.7 * counted.meanActive)
  })

  it('keeps it, too, where a host memory takes a part of the adapters, which begin wherever their names put them', () => {
    const small = { ...engine, maxCpuLoras: 48 }
    const tape = syntheticTape({ adapters: 128, zipf: 1, rate: 130, seconds: 120, seed: 7 })
    const policy = ours({ costs })
    const run = runLab({ tape, policy, replicas: 8, engine: small, seed: 1, afterMs: 30_000 })
    expect(outcomeOf(run, { ttftMs: 1000, tpotMs: 50 }, 60_000).attainment).toBeGreaterThan(0.99)
  })

  it('serves everybody before anything is learned', () => {
    const outcome = played(ours({ costs: undefined }), 50)
    expect(outcome.completed).toBe(outcome.requests)
    expect(outcome.attainment).toBeGreaterThan(0.99)
  })

  it('brings a cold adapter to one replica and waits for it there', () => {
    const fleet = aFleet(3)
    const policy = ours({ costs })
    const request = aRequest({ adapter: 5 })
    const first = policy.route(request, aView(fleet))
    if (first.choice !== 'Load' || request.adapter === undefined) {
      throw new Error('nothing was loaded')
    }
    first.to.order(request.adapter, 0)
    expect(policy.route(request, aView(fleet, 1))).toEqual({ choice: 'Wait' })
    first.to.model.advance(10_000)
    expect(policy.route(request, aView(fleet, 10_000))).toEqual({ choice: 'Send', to: first.to })
  })

  it('waits where all slots of those that have it are taken', () => {
    const [only] = aFleet(1)
    const request = aRequest({ adapter: 3 })
    for (const adapter of [1, 2, 3]) {
      only?.preload({ id: adapter, name: `a${adapter}`, path: '' })
    }
    const policy = ours({ costs })
    const fleet = only === undefined ? [] : [only]
    busy(only, 1, 1)
    expect(policy.route(request, aView(fleet)).choice).toBe('Send')
    busy(only, 1, 2)
    expect(policy.route(request, aView(fleet)).choice).toBe('Wait')
  })

  it('sends the base wherever there is least to do', () => {
    const fleet = aFleet(2)
    busy(fleet[0], 9, 0)
    expect(ours({ costs }).route(aRequest({ adapter: 0 }), aView(fleet))).toEqual({
      choice: 'Send',
      to: fleet[1],
    })
  })

  it('hardly reads an adapter again once each has a place, though one host memory holds a part of them', () => {
    const small = { ...engine, maxCpuLoras: 56 }
    const tape = syntheticTape({ adapters: 96, zipf: 1, rate: 60, seconds: 240, seed: 3 })
    let [settled, before] = [0, 0]
    runLab({
      tape,
      policy: ours({ costs }),
      replicas: 4,
      engine: small,
      seed: 1,
      observer: {
        observe: (nowMs, fleet) => {
          const reads = fleet.reduce((sum, { diskReads }) => sum + diskReads, 0)
          settled = nowMs <= 150_000 ? reads : settled
          before = nowMs <= 240_000 ? reads : before
        },
      },
    })
    // Copies of what is much asked for, beside the one that each has from the start.
    expect(settled).toBeGreaterThan(5)
    expect(settled).toBeLessThan(60)
    expect(before).toBe(settled)
  })
})
