import { describe, expect, test } from 'vitest'
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

describe('demand that comes between two looks', () => {
  function asked(current: number) {
    const pool = aPool('llama').with({ scaling: { minReplicas: 0, maxReplicas: 8 } })
    const changes: number[] = []
    const demand = { waiting: 0, running: 0, arrivals: 0 }
    const autoscaler = new Autoscaler({
      demandOf: () => ({ ...demand, isFresh: true, silence: undefined }),
      replicasOf: () => ({ current, ready: current }),
      isJudging: () => false,
      onChange: (_key, desired) => changes.push(desired),
      now: () => 0,
    })
    autoscaler.sync([pool.build()])
    autoscaler.look()
    changes.length = 0
    return { autoscaler, changes, demand }
  }

  test('wakes a pool at zero, once somebody asks for it', () => {
    const { autoscaler, changes, demand } = asked(0)
    autoscaler.wake()
    expect(changes).toEqual([])
    Object.assign(demand, { waiting: 1, arrivals: 1 })
    autoscaler.wake()
    expect(changes).toEqual([1])
  })

  test('finds a changed spec decided on at once, before anybody is told that all is well', () => {
    const pool = aPool('llama')
      .with({ scaling: { minReplicas: 1, maxReplicas: 8 } })
      .build()
    const autoscaler = new Autoscaler({
      demandOf: () => ({ waiting: 0, running: 0, arrivals: 0, isFresh: true, silence: undefined }),
      replicasOf: () => ({ current: 1, ready: 1 }),
      isJudging: () => false,
      onChange: () => undefined,
      now: () => 0,
    })
    const sync = (generation: number, minReplicas: number): void => {
      const scaling = { ...pool.spec.scaling!, minReplicas }
      const metadata = { ...pool.metadata, generation }
      autoscaler.sync([{ ...pool, metadata, spec: { ...pool.spec, scaling } }])
      autoscaler.wake()
    }
    sync(1, 1)
    expect(autoscaler.desiredOf('models/llama')).toBe(1)
    sync(2, 3)
    expect(autoscaler.desiredOf('models/llama')).toBe(3)
  })

  test('is no look at one that has replicas, however often it comes', () => {
    const { autoscaler, changes, demand } = asked(2)
    Object.assign(demand, { waiting: 500, running: 16, arrivals: 516 })
    for (let message = 0; message < 10; message += 1) {
      autoscaler.wake()
    }
    expect(changes).toEqual([])
    autoscaler.look()
    expect(changes.length).toBe(1)
  })
})

describe('a pool that promises a time between tokens', () => {
  /** At 50 ms a replica writes 160 requests at once: 3,200 tokens a second. */
  const costs = {
    stepMs: 10,
    perRequestMs: 0.25,
    perAdapterMs: 0.5,
    perPromptTokenMs: 0,
    loadMs: 0,
  }

  /** After a minute of 40 requests a second with 200 tokens each: nothing waits, and three replicas are there. */
  function desiredAfterAMinute(
    scaling: object,
    given: { readonly tellsTokens?: boolean; readonly activeAdapters?: number } = {},
  ): number | undefined {
    const pool = aPool('llama').with({ scaling: { minReplicas: 1, maxReplicas: 8, ...scaling } })
    const { tellsTokens = true, activeAdapters = 0 } = given
    let nowMs = 0
    const autoscaler = new Autoscaler({
      demandOf: () => {
        const requests = nowMs / 25
        const each = { inputTokens: requests * 100, outputTokens: requests * 200 }
        return {
          waiting: 0,
          // So many that the queue’s rule lets three replicas be.
          running: 30,
          // Every other one is refused by a limit of its tenant.
          arrivals: requests * 2,
          ...(tellsTokens ? { tokens: { requests, answers: requests, ...each } } : {}),
          costs,
          isFresh: true,
          silence: undefined,
        }
      },
      replicasOf: () => ({ current: 3, ready: 3, activeAdapters }),
      isJudging: () => false,
      onChange: () => undefined,
      now: () => nowMs,
    })
    autoscaler.sync([pool.build()])
    for (; nowMs <= 60_000; nowMs += 1000) {
      autoscaler.look()
    }
    return autoscaler.desiredOf(pool.key)
  }

  test('has replicas for the tokens that arrive, before anybody waits', () => {
    // 8,000 tokens a second are three replicas at 30 ms, and one more for chance.
    expect(desiredAfterAMinute({ targetTpotMilliseconds: 30 })).toBe(4)
    expect(desiredAfterAMinute({ targetTpotMilliseconds: 20 })).toBe(6)
    expect(desiredAfterAMinute({ targetTpotMilliseconds: 50 })).toBe(4)
  })

  test('has more of them where adapters that are in flight make steps longer', () => {
    expect(desiredAfterAMinute({ targetTpotMilliseconds: 50 }, { activeAdapters: 96 })).toBe(5)
  })

  test('follows the queue without such a promise, with one that no engine keeps, and while gateways do not count', () => {
    expect(desiredAfterAMinute({})).toBe(3)
    expect(desiredAfterAMinute({ targetTpotMilliseconds: 10 })).toBe(3)
    expect(desiredAfterAMinute({ targetTpotMilliseconds: 50 }, { tellsTokens: false })).toBe(3)
  })
})
