// The bars of fair shares, in simulated time: the same figures in each run. On sockets: test/bars/fairness.ts.
import { describe, expect, test } from 'vitest'
import { victimBesideGreedy } from '../../../test/support/victim-beside-greedy.ts'
import {
  simulatePool,
  type PoolSimulationOptions,
  type SimulatedTenant,
  type TenantFigures,
} from '../../../test/support/pool-simulation.ts'

const engine = { maxNumSeqs: 16, stepMs: 40, isFifo: false, seed: 1 }
type Shape = Pick<PoolSimulationOptions, 'gateways' | 'engines'>

const shapes: readonly Shape[] = [
  { gateways: 1, engines: 1 },
  { gateways: 4, engines: 1 },
  { gateways: 4, engines: 2 },
]

const lengths = [
  [10, 40],
  [5, 15],
  [30, 60],
] as const

/** Tenants that always want more, with answers of different lengths. */
function greedy(weights: readonly number[], callers: number): readonly SimulatedTenant[] {
  return weights.map((weight, at) => ({
    name: `t${at}`,
    weight,
    tokens: lengths[at % lengths.length] ?? [10, 40],
    callers,
  }))
}

/** How far the tenant furthest from what its weight promises is. */
function errorOf(figures: readonly TenantFigures[]): number {
  const served = figures.reduce((sum, one) => sum + one.served, 0)
  const weights = figures.reduce((sum, { weight }) => sum + weight, 0)
  return Math.max(
    ...figures.map((one) => Math.abs(one.served / served / (one.weight / weights) - 1)),
  )
}

describe.each(shapes)('with $gateways gateways and $engines engines', (shape) => {
  test.each([
    ['equal weights', [1, 1]],
    ['weights 1 and 3', [1, 3]],
  ])('shares are near %s', async (_name, weights) => {
    const tenants = greedy(weights, 24 * shape.engines)
    const figures = await simulatePool({ ...engine, ...shape, tenants }, 40, 30)
    expect(errorOf(figures)).toBeLessThan(0.05)
  })

  test('throughput is at least 99 % of first come, first served', async () => {
    const tenants = greedy([1, 2, 4], 24 * shape.engines)
    const totals: number[] = []
    for (const isFifo of [false, true]) {
      const figures = await simulatePool({ ...engine, ...shape, tenants, isFifo }, 40, 20)
      totals.push(figures.reduce((sum, { served }) => sum + served, 0))
    }
    const [fair = 0, fifo = 0] = totals
    expect(fair / fifo).toBeGreaterThan(0.99)
  })
})

test.each([1, 4])('50 tenants of %i gateways have the same', async (gateways) => {
  const tenants = Array.from({ length: 50 }, (_, at) => ({
    name: `t${at}`,
    weight: 1,
    tokens: lengths[0],
    callers: 2,
  }))
  const figures = await simulatePool({ ...engine, gateways, engines: 1, tenants }, 30, 10)
  const sum = figures.reduce((total, { served }) => total + served, 0)
  const squares = figures.reduce((total, { served }) => total + served * served, 0)
  expect((sum * sum) / (50 * squares)).toBeGreaterThan(0.98)
})

// Four gateways take longer to simulate: fewer requests, so a p99 that is less certain. With all of them: test/bars/fairness.ts.
test.each([
  { gateways: 1, engines: 1, seeds: 8, seconds: 100, most: 1.2 },
  { gateways: 1, engines: 2, seeds: 8, seconds: 50, most: 1.2 },
  { gateways: 4, engines: 1, seeds: 2, seconds: 150, most: 1.3 },
])(
  'one within its share hardly waits longer beside a neighbour at ten times its own: $gateways gateways, $engines engines',
  async ({ most, ...options }) => {
    const { ratio, victims } = await victimBesideGreedy(options)
    expect(victims).toBeGreaterThan(1000)
    expect(ratio).toBeLessThanOrEqual(most)
  },
)
