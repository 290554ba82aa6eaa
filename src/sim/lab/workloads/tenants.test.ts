import { describe, expect, it } from 'vitest'
import { createRandom } from '../random.ts'
import { burstyArrivals } from './bursty-arrivals.ts'
import { clientCv } from './client-cv.ts'
import { tenantPools } from './tenant-pools.ts'
import type { TenantPool } from './tenant-pool.ts'
import { tenantRates } from './tenant-rates.ts'
import { tenants } from './tenants.ts'

interface PoolFigures {
  readonly active: number
  readonly effective: number
  readonly first: number
  readonly changed: number
}

/** Medians over windows of several seeds; of what changed, the mean. */
function figuresOf(pool: TenantPool): PoolFigures {
  const rows = [1, 2, 3, 4, 5].map((seed) => tenantRates(pool, 200, createRandom(seed)))
  const shares = rows.map((windows) => windows.map(sharesOf))
  const all = shares.flat()
  return {
    active: medianOf(rows.flat().map((row) => row.filter((rate) => rate > 0).length)),
    effective: medianOf(all.map((row) => 1 / row.reduce((sum, part) => sum + part * part, 0))),
    first: medianOf(all.map((row) => Math.max(...row))),
    changed: meanOf(shares.flatMap(changesOf)),
  }
}

function sharesOf(row: readonly number[]): readonly number[] {
  const sum = row.reduce((total, rate) => total + rate, 0)
  return row.map((rate) => rate / sum)
}

function firstTen(row: readonly number[]): ReadonlySet<number> {
  const ranked = row.map((rate, client) => ({ rate, client }))
  ranked.sort((left, right) => right.rate - left.rate)
  return new Set(ranked.slice(0, 10).map(({ client }) => client))
}

function changesOf(windows: readonly (readonly number[])[]): readonly number[] {
  const tens = windows.map(firstTen)
  return tens
    .slice(1)
    .map((ten, at) => [...ten].filter((client) => tens[at]?.has(client) !== true).length / 10)
}

function medianOf(values: readonly number[]): number {
  return (
    [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN
  )
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Of ServeGen's clients: active, effective, the first one's share, changed of the first ten. */
const published: Readonly<Record<string, PoolFigures>> = {
  large: { active: 49, effective: 9.2, first: 0.24, changed: 0.11 },
  mid: { active: 55, effective: 3.4, first: 0.53, changed: 0.1 },
  small: { active: 20, effective: 5.3, first: 0.35, changed: 0.04 },
  r1: { active: 22, effective: 3.8, first: 0.42, changed: 0.16 },
}

describe.each(tenantPools.map((pool) => [pool.name, pool] as const))(
  'the pool %s',
  (name, pool) => {
    it('has windows as the published clients have', () => {
      const wanted = published[name]
      const seen = figuresOf(pool)
      expect(Math.abs(seen.active / (wanted?.active ?? 0) - 1)).toBeLessThan(0.1)
      expect(Math.abs(seen.effective / (wanted?.effective ?? 0) - 1)).toBeLessThan(0.15)
      expect(Math.abs(seen.first / (wanted?.first ?? 0) - 1)).toBeLessThan(0.15)
      expect(Math.abs(seen.changed - (wanted?.changed ?? 0))).toBeLessThan(0.02)
    })
  },
)

describe('arrivals of one client', () => {
  it('come as often as each window says, in bursts of the CV asked for', () => {
    const rates = [2, 0, 4]
    const runs = Array.from({ length: 40 }, (_, seed) =>
      burstyArrivals(createRandom(seed + 1), rates, 3, 1800),
    )
    const counts = [0, 1, 2].map((window) =>
      meanOf(runs.map((run) => run.filter((atMs) => Math.floor(atMs / 600_000) === window).length)),
    )
    expect(Math.abs((counts[0] ?? 0) / 1200 - 1)).toBeLessThan(0.05)
    expect(counts[1]).toBe(0)
    expect(Math.abs((counts[2] ?? 0) / 2400 - 1)).toBeLessThan(0.05)
    const gaps = runs.flatMap((run) => {
      const first = run.filter((atMs) => atMs < 600_000)
      return first.slice(1).map((atMs, at) => atMs - (first[at] ?? 0))
    })
    const mean = meanOf(gaps)
    const cv = Math.sqrt(meanOf(gaps.map((gap) => (gap - mean) ** 2))) / mean
    expect(cv).toBeGreaterThan(2.6)
    expect(cv).toBeLessThan(3.3)
  })

  it('do not begin with a burst, as nothing begins with the tape', () => {
    const counts = Array.from(
      { length: 400 },
      (_, seed) => burstyArrivals(createRandom(seed + 1), [0.05], 4, 600).length,
    )
    // A process that began here would have (4² - 1) / 2 requests more.
    expect(Math.abs(meanOf(counts) - 30)).toBeLessThan(4)
  })

  it('are burstiest for the big clients of a pool', () => {
    const [, mid] = tenantPools
    const random = createRandom(2)
    const cvs = (rank: number): readonly number[] =>
      Array.from({ length: 200 }, () => (mid === undefined ? 0 : clientCv(mid, rank, random)))
    expect(medianOf(cvs(0))).toBeCloseTo(14, 0)
    expect(medianOf(cvs(40))).toBeCloseTo(1.3, 0)
  })
})

describe('a tape of tenants', () => {
  const [large] = tenants
  const make = (adapters: number): ReadonlyMap<string, number> => {
    const values: Record<string, number> = { adapters, rate: 30, seconds: 1200 }
    const tape = large?.make({ knob: (name) => values[name], files: [], seed: 3 }) ?? []
    const counts = new Map<string, number>()
    for (const { adapter } of tape) {
      counts.set(adapter, (counts.get(adapter) ?? 0) + 1)
    }
    return counts
  }
  const sum = (counts: ReadonlyMap<string, number>): number =>
    [...counts.values()].reduce((total, count) => total + count, 0)

  it('has the rate asked for', () => {
    expect(Math.abs(sum(make(162)) / 1200 / 30 - 1)).toBeLessThan(0.15)
  })

  it('has a quiet tail below its clients where more adapters are asked for', () => {
    const counts = make(1000)
    const tail = [...counts].filter(([adapter]) => Number(adapter.slice(1)) >= 162)
    expect(tail.length).toBeGreaterThan(300)
    const part = tail.reduce((total, [, count]) => total + count, 0) / sum(counts)
    expect(part).toBeGreaterThan(0.02)
    expect(part).toBeLessThan(0.3)
  })

  it('has only the biggest where fewer are asked for', () => {
    const ranks = [...make(20).keys()].map((adapter) => Number(adapter.slice(1)))
    expect(Math.max(...ranks)).toBeLessThan(20)
  })
})
