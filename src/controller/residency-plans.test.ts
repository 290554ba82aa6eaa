import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { aPool, aSnapshot } from '../../test/support/builders.ts'
import type { RevisionTraffic } from '../core/adapter-demand.ts'
import type { WantedRevision } from '../core/adapter-plan.ts'
import type { StepCosts } from '../core/residency-lines.ts'
import { aReplicaState } from '../../test/support/a-replica-state.ts'
import type { ReplicaState } from './model-pool/pool-replicas.ts'
import { PoolResidency } from './pool-residency.ts'
import { ResidencyPlans } from './residency-plans.ts'

const poolKey = 'models/llama'
const snapshot = aSnapshot([aPool('llama').with({ lora: { maxLoras: 4, maxCpuLoras: 16 } })])

function wanted(count: number, least = 1): readonly WantedRevision[] {
  return Array.from({ length: count }, (_, at) => ({
    revision: `a${at}`,
    digest: `d${at}`,
    sizeBytes: 1,
    loadedOn: [],
    onDisk: [],
    least,
    most: 3,
  }))
}

/** Three replicas that have what they are told at once. */
class Bench {
  readonly plans: ResidencyPlans
  readonly has = new Map<string, Set<string>>()
  readonly traffic = new Map<string, RevisionTraffic>()
  costs: StepCosts | undefined
  isSilent = false
  changes = 0
  nowMs = 0
  group = this.#group(3)

  constructor() {
    this.plans = new ResidencyPlans({
      traffic: () => (this.isSilent ? undefined : this.traffic),
      costs: () => this.costs,
      onChange: () => {
        this.changes += 1
      },
      now: () => this.nowMs,
    })
  }

  #group(count: number) {
    const replicas = Array.from({ length: count }, (_, at): ReplicaState => {
      const name = `r${at}`
      const has = this.has.get(name) ?? new Set()
      this.has.set(name, has)
      return aReplicaState(poolKey, name, {
        residencyOf: (revision) => ({ state: has.has(revision) ? 'Routable' : 'Absent' }),
      })
    })
    return { replicas, identity: {} }
  }

  replicas(count: number): void {
    this.group = this.#group(count)
  }

  settle(all: readonly WantedRevision[]): boolean {
    expect(this.plans.mayJudge(poolKey, this.group.replicas)).toBe(true)
    const isOther = this.plans.settle(
      snapshot,
      new Map([[poolKey, all]]),
      new Map([[poolKey, this.group]]),
    )
    this.#obey(all)
    return isOther
  }

  look(times = 1, all: readonly WantedRevision[] = []): void {
    for (let at = 0; at < times; at += 1) {
      this.nowMs += 5000
      this.plans.look()
      this.#obey(all)
    }
  }

  hostsOf(revision: string): readonly string[] | undefined {
    return this.plans.of(poolKey)?.placementOf(revision)?.loadedOn
  }

  #obey(all: readonly WantedRevision[]): void {
    for (const { revision } of all) {
      for (const host of this.hostsOf(revision) ?? []) {
        this.has.get(host)?.add(revision)
      }
    }
  }
}

describe('which replicas keep what', () => {
  test('while all fits on every replica there is no plan: all is loaded wherever it may be', () => {
    const bench = new Bench()
    expect(bench.settle(wanted(12))).toBe(false)
    expect(bench.hostsOf('a0')).toBeUndefined()
  })

  test('when it does not, each has its place before anybody is told', () => {
    const bench = new Bench()
    const all = wanted(40)
    expect(bench.settle(all)).toBe(true)
    expect(all.map(({ revision }) => bench.hostsOf(revision)?.length)).toEqual(all.map(() => 1))
    expect(bench.settle(all)).toBe(false)
  })

  test('what was loaded everywhere gives way at once when many more come', () => {
    const bench = new Bench()
    bench.settle(wanted(12))
    for (const has of bench.has.values()) {
      wanted(12).forEach(({ revision }) => has.add(revision))
    }
    bench.nowMs += 1000
    const all = wanted(44)
    expect(bench.settle(all)).toBe(true)
    expect(all.map(({ revision }) => bench.hostsOf(revision)?.length)).toEqual(all.map(() => 1))
    for (const { revision } of wanted(12)) {
      expect(bench.plans.of(poolKey)?.placementOf(revision)?.isShort).toBe(false)
    }
  })

  test('a new one is placed with the pass that finds it, a stream of them once a second', () => {
    const bench = new Bench()
    bench.settle(wanted(40))
    bench.nowMs += 1000
    expect(bench.settle(wanted(41))).toBe(true)
    expect(bench.hostsOf('a40')).toHaveLength(1)
    expect(bench.settle(wanted(42))).toBe(false)
    expect(bench.hostsOf('a41')).toEqual([])
    bench.nowMs += 1000
    expect(bench.settle(wanted(42))).toBe(true)
    expect(bench.hostsOf('a41')).toHaveLength(1)
    bench.plans.close()
  })

  test('a look that finds nothing else tells nobody', () => {
    const bench = new Bench()
    const all = wanted(40)
    bench.settle(all)
    bench.traffic.set('a3', { arrivals: 5, open: 1 })
    bench.look(30, all)
    const { changes } = bench
    const before = bench.plans.of(poolKey)?.placementOf('a3')
    bench.look(60, all)
    expect(bench.changes).toBe(changes)
    expect(bench.plans.of(poolKey)?.placementOf('a3')).toBe(before)
  })

  test('an adapter that nobody promised gets a place when it is asked for, and loses it with its demand', () => {
    const bench = new Bench()
    const all = wanted(10, 0)
    bench.settle(all)
    bench.look(3, all)
    expect(bench.hostsOf('a4')).toBeUndefined()
    bench.traffic.set('a4', { arrivals: 10, open: 2 })
    bench.look(2, all)
    expect(bench.hostsOf('a4')?.length).toBeGreaterThan(0)
    expect(bench.plans.rateOf(poolKey, 'a4')).toBeGreaterThan(1)
    bench.traffic.clear()
    bench.look(200, all)
    expect(bench.hostsOf('a4')).toBeUndefined()
    expect(bench.plans.rateOf(poolKey, 'a4')).toBeUndefined()
  })

  test('what names have placed demand makes even, once: the busiest are on several, and then nothing moves', () => {
    const bench = new Bench()
    const all = wanted(24)
    const rateOf = (at: number) => 20 / (at + 1)
    const loads = (): readonly number[] => {
      const sums = [0, 0, 0]
      for (const [at, { revision }] of all.entries()) {
        const hosts = bench.hostsOf(revision) ?? []
        hosts.forEach((host) => (sums[Number(host.slice(1))]! += rateOf(at) / hosts.length))
      }
      return sums
    }
    bench.settle(all)
    const [least = 0, , most = 0] = loads().toSorted((left, right) => left - right)
    expect(most).toBeGreaterThan(1.5 * least)
    all.forEach(({ revision }, at) =>
      bench.traffic.set(revision, { arrivals: 5 * rateOf(at), open: 5 * rateOf(at) }),
    )
    bench.look(12, all)
    const even = loads().toSorted((left, right) => left - right)
    expect(even[2]).toBeLessThan(1.3 * even[0]!)
    expect(bench.hostsOf('a0')?.length).toBeGreaterThan(1)
    // What is known of demand has come to rest.
    bench.look(60, all)
    const { changes } = bench
    bench.look(100, all)
    expect(bench.changes).toBe(changes)
  })

  test('while gateways are silent what was known of demand holds', () => {
    const bench = new Bench()
    const all = wanted(10, 0)
    bench.settle(all)
    bench.traffic.set('a4', { arrivals: 10, open: 2 })
    bench.look(4, all)
    const before = bench.hostsOf('a4')
    bench.isSilent = true
    bench.look(200, all)
    expect(bench.hostsOf('a4')).toBe(before)
  })

  test('what engines cost holds, too, while gateways that began anew have not learned it', () => {
    const plan = vi.spyOn(PoolResidency.prototype, 'plan')
    onTestFinished(() => plan.mockRestore())
    const bench = new Bench()
    const all = wanted(40)
    bench.settle(all)
    expect(plan.mock.lastCall?.[1]).toBeUndefined()
    bench.costs = { perRequestMs: 1, perAdapterMs: 0.1 }
    bench.look(1, all)
    bench.costs = undefined
    bench.look(1, all)
    expect(plan.mock.lastCall?.[1]).toEqual({ perRequestMs: 1, perAdapterMs: 0.1 })
  })

  test('after a start nothing is said before every replica was heard, or for five seconds', () => {
    const bench = new Bench()
    const unheard = bench.group.replicas.map((state, at) => ({ ...state, isHeard: at < 2 }))
    expect(bench.plans.mayJudge(poolKey, unheard)).toBe(false)
    bench.nowMs += 4999
    expect(bench.plans.mayJudge(poolKey, unheard)).toBe(false)
    expect(bench.plans.mayJudge('models/heard', bench.group.replicas)).toBe(true)
    bench.nowMs += 1
    expect(bench.plans.mayJudge(poolKey, unheard)).toBe(true)
    bench.plans.close()
  })

  test('a replica that goes leaves its share to the others', () => {
    const bench = new Bench()
    const all = wanted(30)
    bench.settle(all)
    bench.replicas(2)
    expect(bench.settle(all)).toBe(true)
    for (const { revision } of all) {
      expect(['r0', 'r1']).toContain(bench.hostsOf(revision)?.[0])
    }
  })
})
