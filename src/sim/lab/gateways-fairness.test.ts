// Several gateways with the product's own exchange of counters and places, before the lab's engines.
import { describe, expect, test } from 'vitest'
import { LabGateways } from '../../../test/support/lab-gateways.ts'
import { tiny } from '../profile.ts'
import { runLab, type LabRun } from './run-lab.ts'
import { serviceGap } from './service-gap.ts'
import { abusiveTenants } from './workloads/abusive.ts'
import { tenantTape } from './workloads/tenant-tape.ts'

const engine = {
  profile: tiny,
  maxLoras: 8,
  maxCpuLoras: 8,
  maxNumSeqs: 8,
  maxNumBatchedTokens: 2048,
  kvTokens: 50_000,
}

/** Two replicas end about fourteen requests a second: four tenants, the first at ten times its share. */
const tape = tenantTape(abusiveTenants({ tenants: 4, share: 3.5, part: 0.6, times: 10 }), 150, 1)

const runs = new Map<number, LabRun>()

function play(gateways: number): LabRun {
  const run = runs.get(gateways) ?? playAnew(gateways)
  runs.set(gateways, run)
  return run
}

function playAnew(gateways: number): LabRun {
  const queue = new LabGateways(gateways, () => 1, 1)
  return runLab({
    tape,
    policy: queue.policy,
    queue,
    replicas: 2,
    engine,
    seed: 1,
    afterMs: 40_000,
  })
}

describe.each([1, 4])('%i gateways', (gateways) => {
  test('serve whoever stays within its share in time, beside one that does not', () => {
    const { requests, endMs } = play(gateways)
    const gap = serviceGap(requests, { fromMs: 15_000, toMs: 80_000, weightOf: () => 1 })
    expect(gap.starved).toEqual([])
    expect(gap.unmetMax).toBe(0)
    const waits = requests.map(({ entry, ttftMs, arrivedMs }) => ({
      isVictim: entry.tenant !== 'abusive',
      waitMs: Number.isNaN(ttftMs) ? endMs - arrivedMs : ttftMs,
    }))
    const worst = (isVictim: boolean): number =>
      Math.max(...waits.filter((one) => one.isVictim === isVictim).map(({ waitMs }) => waitMs))
    expect(worst(false)).toBeGreaterThan(30_000)
    expect(worst(true)).toBeLessThan(2000)
  })
})

test('gateways together have about as many at an engine as one alone has', () => {
  const [alone = 0, four = 0] = [1, 4].map((gateways) => {
    const own = play(gateways).requests.filter(({ replica }) => replica === 0)
    const counts = Array.from({ length: 50 }, (_, at) => {
      const atMs = 20_000 + at * 1000
      return own.filter(({ sentMs, endMs }) => sentMs <= atMs && endMs > atMs).length
    })
    return counts.reduce((sum, count) => sum + count, 0) / counts.length
  })
  expect(alone).toBeGreaterThanOrEqual(engine.maxNumSeqs)
  expect(four).toBeGreaterThan(alone - 1)
  expect(four).toBeLessThan(alone + 2)
})
