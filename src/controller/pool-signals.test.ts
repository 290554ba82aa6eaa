import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { aPool, aSnapshot } from '../../test/support/builders.ts'
import type { PoolDemand } from './model-pool/autoscaler.ts'
import { aReplicaState } from '../../test/support/a-replica-state.ts'
import type { ReplicaState } from './model-pool/pool-replicas.ts'
import { PoolSignals } from './pool-signals.ts'
import { addScalingMetrics } from './scaling-metrics.ts'

const poolKey = 'models/llama'

/** Two replicas and a gateway that say what a test has them say. */
class Bench {
  nowMs = 0
  changes = 0
  maxLoras = 8
  demand: PoolDemand = { waiting: 0, running: 0, arrivals: 0, isFresh: true, silence: undefined }
  load: NonNullable<ReplicaState['load']> = {
    running: 0,
    waiting: 0,
    kvCacheUsage: 0,
    slots: { total: 8, used: 0 },
  }
  readonly signals = new PoolSignals({
    pools: () => aSnapshot([aPool('llama').withSlots(this.maxLoras).withReplicas(2)]).pools,
    replicas: {
      states: () => ['r0', 'r1'].map((name) => this.#state(name)),
      factsOf: () => ({ desiredReplicas: 3, verdicts: [] }),
    },
    demandOf: () => this.demand,
    onChange: () => {
      this.changes += 1
    },
    now: () => this.nowMs,
  })

  /** Looks every five seconds, with so many requests more at each. */
  look(seconds: number, arrivals = 0): void {
    for (let at = 0; at < seconds; at += 5) {
      this.nowMs += 5000
      this.demand = { ...this.demand, arrivals: this.demand.arrivals + arrivals }
      this.signals.look()
    }
  }

  #state(name: string): ReplicaState {
    return aReplicaState(poolKey, name, { load: this.load })
  }
}

describe('whether signals can be believed', () => {
  test('engines that say nothing under traffic are a problem after a minute, told once', () => {
    const bench = new Bench()
    bench.demand = { ...bench.demand, running: 5 }
    bench.look(50, 3)
    expect(bench.signals.problemOf(poolKey)).toBeUndefined()
    bench.look(30, 3)
    expect(bench.signals.problemOf(poolKey)?.reason).toBe('EngineLoadInert')
    expect(bench.changes).toBe(1)
    const said = bench.signals.problemOf(poolKey)
    bench.look(600, 3)
    expect(bench.signals.problemOf(poolKey)).toBe(said)
    expect(bench.changes).toBe(1)
  })

  test('it is over two minutes after engines speak', () => {
    const bench = new Bench()
    bench.demand = { ...bench.demand, running: 5 }
    bench.look(90, 3)
    bench.load = { ...bench.load, running: 3 }
    bench.look(60, 3)
    expect(bench.signals.problemOf(poolKey)).toBeDefined()
    bench.look(120, 3)
    expect(bench.signals.problemOf(poolKey)).toBeUndefined()
    expect(bench.changes).toBe(2)
  })
})

describe('advice on slots', () => {
  test('comes after an hour of use, and again only when it is another', () => {
    const bench = new Bench()
    bench.load = { ...bench.load, slots: { total: 8, used: 3 } }
    bench.look(1700)
    expect(bench.signals.adviceOf(poolKey)).toBeUndefined()
    bench.look(200)
    expect(bench.signals.adviceOf(poolKey)?.maxLoras).toBe(4)
    expect(bench.changes).toBe(1)
    bench.look(36_000)
    expect(bench.changes).toBe(1)
    bench.load = { ...bench.load, slots: { total: 8, used: 7 } }
    bench.look(36_000)
    expect(bench.signals.adviceOf(poolKey)?.maxLoras).toBe(8)
    expect(bench.changes).toBe(2)
  })

  test('is of adapters in flight, not of slots that are kept for a while', () => {
    const bench = new Bench()
    bench.load = { ...bench.load, slots: { total: 8, used: 7, kept: 4 }, adapters: 3 }
    bench.look(2000)
    expect(bench.signals.adviceOf(poolKey)?.maxLoras).toBe(4)
  })

  test('is worded anew for another spec at once', () => {
    const bench = new Bench()
    bench.load = { ...bench.load, slots: { total: 8, used: 3 } }
    bench.look(2000)
    expect(bench.signals.adviceOf(poolKey)?.message).toContain('4 fewer')
    bench.maxLoras = 4
    bench.look(5)
    expect(bench.signals.adviceOf(poolKey)?.message).toContain('lora.maxLoras is that')
  })
})

describe('metrics for other scalers', () => {
  async function scraped(bench: Bench): Promise<Readonly<Record<string, number>>> {
    const registry = new Registry()
    addScalingMetrics(registry, () => bench.signals.all())
    const text = await registry.metrics()
    return Object.fromEntries(
      text
        .split('\n')
        .filter((line) => line.startsWith('loraplex_'))
        .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
    )
  }

  test('say what waits wherever it waits, what runs, what comes and how many replicas there are', async () => {
    const bench = new Bench()
    bench.demand = { ...bench.demand, waiting: 6, running: 10 }
    bench.load = { ...bench.load, running: 4, waiting: 1 }
    bench.look(60, 10)
    const of = '{pool="models/llama"}'
    expect(await scraped(bench)).toEqual({
      [`loraplex_scaling_requests_waiting${of}`]: 8,
      [`loraplex_scaling_requests_running${of}`]: 8,
      [`loraplex_scaling_queue_depth${of}`]: 4,
      [`loraplex_scaling_arrivals_per_second${of}`]: 2,
      [`loraplex_scaling_replicas_ready${of}`]: 2,
      [`loraplex_scaling_replicas_desired${of}`]: 3,
    })
    bench.demand = { ...bench.demand, cold: 4 }
    expect(await scraped(bench)).toMatchObject({
      [`loraplex_scaling_requests_waiting${of}`]: 8,
      [`loraplex_scaling_queue_depth${of}`]: 2,
    })
    bench.demand = { ...bench.demand, cold: 0, waiting: 0, running: 0 }
    expect(await scraped(bench)).toMatchObject({
      [`loraplex_scaling_requests_waiting${of}`]: 0,
      [`loraplex_scaling_queue_depth${of}`]: 0,
    })
  })

  test('say when a signal is missing, and why', async () => {
    const bench = new Bench()
    const missing = (reason: string) =>
      `loraplex_scaling_signal_missing{pool="models/llama",reason="${reason}"}`
    bench.demand = { ...bench.demand, silence: { reason: 'NoGateway', gateways: [] } }
    expect(await scraped(bench)).toMatchObject({ [missing('NoGateway')]: 1 })
    bench.demand = { ...bench.demand, silence: undefined, running: 5 }
    bench.look(90, 3)
    expect(await scraped(bench)).toMatchObject({ [missing('EngineLoadInert')]: 1 })
  })
})
