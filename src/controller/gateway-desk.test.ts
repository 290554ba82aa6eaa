import { describe, expect, test } from 'vitest'
import type { DemandMessage } from '../api/gateway-protocol.ts'
import { GatewayDesk } from './gateway-desk.ts'

const demand = (waiting: number, running = 0): DemandMessage => ({
  type: 'demand',
  pools: { 'models/llama': { base: { waiting, running, arrivals: waiting + running } } },
})

function aDesk() {
  const clock = { ms: 0 }
  const desk = new GatewayDesk(() => clock.ms)
  return { desk, clock }
}

describe('what gateways ask for', () => {
  test('is the sum of what all said last', () => {
    const { desk } = aDesk()
    desk.add('a', true)
    desk.add('b', true)
    desk.take('a', demand(9))
    desk.take('a', demand(2, 1))
    desk.take('b', demand(3))
    expect(desk.demandOf('models/llama')).toEqual({
      waiting: 5,
      cold: 0,
      running: 1,
      arrivals: 3,
      isFresh: true,
      silence: undefined,
    })
  })

  test('knows who waits for an adapter, and for no place', () => {
    const { desk } = aDesk()
    for (const [name, cold] of Object.entries({ a: 2, b: undefined, c: 1 })) {
      desk.add(name, true)
      const asked = { waiting: 3, running: 0, arrivals: 3, ...(cold === undefined ? {} : { cold }) }
      desk.take(name, { type: 'demand', pools: { 'models/llama': { base: asked } } })
    }
    expect(desk.demandOf('models/llama')).toMatchObject({ waiting: 9, cold: 3 })
  })

  test('holds for a minute when one falls silent, and nothing may go meanwhile', () => {
    const { desk, clock } = aDesk()
    desk.add('a', true)
    desk.add('b', true)
    desk.take('a', demand(2))
    clock.ms = 59_000
    desk.take('b', demand(1))
    expect(desk.demandOf('models/llama')).toMatchObject({ waiting: 3, isFresh: false })
    clock.ms = 61_000
    expect(desk.demandOf('models/llama')).toMatchObject({
      waiting: 1,
      isFresh: false,
      silence: { reason: 'GatewaySilent', gateways: ['a'] },
    })
    desk.add('a', false)
    expect(desk.demandOf('models/llama')).toMatchObject({
      waiting: 1,
      isFresh: true,
      silence: undefined,
    })
  })

  test.each(['is there', 'is left, and it is not ready', 'ever came'])(
    'is nothing that may shrink a pool while no gateway speaks: none %s',
    (words) => {
      const { desk, clock } = aDesk()
      if (words !== 'ever came') {
        desk.add('a', true)
        desk.take('a', demand(2))
      }
      if (words === 'is there') {
        desk.remove('a')
      } else if (words !== 'ever came') {
        desk.add('a', false)
      }
      clock.ms = 59_999
      expect(desk.demandOf('models/llama')).toMatchObject({ isFresh: false, silence: undefined })
      clock.ms = 60_000
      expect(desk.demandOf('models/llama')).toMatchObject({
        isFresh: false,
        silence: { reason: 'NoGateway' },
      })
    },
  )

  test('says once that somebody else is silent, or nobody any more', () => {
    const { desk, clock } = aDesk()
    desk.add('a', true)
    desk.add('b', true)
    expect(desk.hasOtherSilence()).toBe(true)
    expect(desk.hasOtherSilence()).toBe(false)
    clock.ms = 60_000
    desk.take('b', demand(1))
    expect([desk.hasOtherSilence(), desk.hasOtherSilence()]).toEqual([true, false])
    desk.take('a', demand(1))
    expect([desk.hasOtherSilence(), desk.hasOtherSilence()]).toEqual([true, false])
  })

  test('is not nothing because the same process was connected to again', () => {
    const { desk, clock } = aDesk()
    desk.add('a', true)
    desk.take('a', { type: 'hello', gateway: 'one' })
    desk.take('a', demand(2))
    clock.ms = 7000
    desk.take('a', { type: 'hello', gateway: 'one' })
    expect(desk.demandOf('models/llama')).toMatchObject({ waiting: 2, isFresh: false })
  })

  test('starts over with another process behind the same name', () => {
    const { desk } = aDesk()
    desk.add('a', true)
    desk.take('a', demand(2))
    desk.take('a', { type: 'routable', poolKey: 'models/llama', revisions: ['r1'] })
    desk.take('a', { type: 'hello', gateway: 'another' })
    expect(desk.demandOf('models/llama').waiting).toBe(0)
    expect(desk.acknowledged('models/llama')).toEqual(new Set())
  })
})

describe('what gateways can route to', () => {
  const routable = (...revisions: readonly string[]) =>
    ({ type: 'routable', poolKey: 'models/llama', revisions }) as const

  test('is what every ready one can', () => {
    const { desk } = aDesk()
    desk.add('a', true)
    desk.add('b', true)
    desk.add('c', false)
    desk.take('a', routable('r1', 'r2'))
    expect(desk.acknowledged('models/llama')).toEqual(new Set())
    desk.take('b', routable('r2', 'r3'))
    expect(desk.acknowledged('models/llama')).toEqual(new Set(['r2']))
    desk.remove('b')
    expect(desk.acknowledged('models/llama')).toEqual(new Set(['r1', 'r2']))
  })

  test('is not held up by one that is ready and fell silent, nor promised by its last word', () => {
    const { desk, clock } = aDesk()
    desk.add('a', true)
    desk.add('b', true)
    desk.take('a', routable('r1'))
    desk.take('b', routable('r1', 'r2'))
    clock.ms = 59_000
    desk.take('b', demand(0))
    expect(desk.acknowledged('models/llama')).toEqual(new Set(['r1']))
    clock.ms = 60_000
    expect(desk.acknowledged('models/llama')).toEqual(new Set(['r1', 'r2']))
    clock.ms = 119_000
    expect(desk.acknowledged('models/llama')).toEqual(new Set())
  })

  test('is nothing without a gateway', () => {
    expect(aDesk().desk.acknowledged('models/llama')).toEqual(new Set())
  })
})

describe('tokens that gateways count', () => {
  const work = (requests: number, stepMs?: number): DemandMessage => ({
    type: 'demand',
    pools: { 'models/llama': { base: { waiting: 0, running: 0, arrivals: requests } } },
    work: {
      'models/llama': {
        requests,
        inputTokens: requests * 100,
        outputTokens: requests * 10,
        answers: requests,
        ...(stepMs === undefined
          ? {}
          : {
              costs: {
                stepMs,
                perRequestMs: 0.1,
                perAdapterMs: 0.4,
                perPromptTokenMs: 0.05,
                loadMs: 0,
              },
            }),
      },
    },
  })

  function twoGateways() {
    const { desk, clock } = aDesk()
    desk.add('a', true)
    desk.add('b', true)
    desk.take('a', work(1000, 10))
    desk.take('b', work(0))
    return { desk, clock }
  }

  test('are added up from when gateways were first heard, with what engines cost', () => {
    const { desk } = twoGateways()
    desk.take('a', work(1002, 10))
    desk.take('b', work(5, 14))
    expect(desk.demandOf('models/llama')).toMatchObject({
      arrivals: 7,
      tokens: { requests: 7, inputTokens: 700, outputTokens: 70, answers: 7 },
      costs: { stepMs: 12 },
    })
  })

  test('are not known while a gateway with requests of the pool does not count them', () => {
    const { desk } = twoGateways()
    desk.take('a', demand(0))
    expect(desk.demandOf('models/llama').tokens).toBe(undefined)
    desk.take('a', { type: 'demand', pools: {} })
    expect(desk.demandOf('models/llama').tokens).toBeDefined()
  })

  test('start over with a process, and the sum goes on from where it was', () => {
    const { desk } = twoGateways()
    desk.take('b', work(3))
    desk.take('b', { type: 'hello', gateway: 'another' })
    desk.take('b', work(1))
    desk.take('b', work(2))
    expect(desk.demandOf('models/llama')).toMatchObject({ arrivals: 4, tokens: { requests: 4 } })
  })

  test('of a gateway that comes back from silence are no burst', () => {
    const { desk, clock } = twoGateways()
    clock.ms = 5000
    desk.take('a', work(9000))
    clock.ms = 5100
    desk.take('a', work(9001))
    expect(desk.demandOf('models/llama').arrivals).toBe(1)
  })
})
