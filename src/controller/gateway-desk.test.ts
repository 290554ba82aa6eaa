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
      running: 1,
      arrivals: 6,
      isFresh: true,
    })
  })

  test('holds for a minute when one falls silent, and nothing may go meanwhile', () => {
    const { desk, clock } = aDesk()
    desk.add('a', true)
    desk.take('a', demand(2))
    clock.ms = 59_000
    expect(desk.demandOf('models/llama')).toMatchObject({ waiting: 2, isFresh: false })
    clock.ms = 61_000
    expect(desk.demandOf('models/llama')).toMatchObject({ waiting: 0, isFresh: false })
    desk.add('a', false)
    expect(desk.demandOf('models/llama')).toMatchObject({ waiting: 0, isFresh: true })
  })

  test('is nothing that may shrink a pool while there is no gateway', () => {
    expect(aDesk().desk.demandOf('models/llama').isFresh).toBe(false)
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

  test('is nothing without a gateway', () => {
    expect(aDesk().desk.acknowledged('models/llama')).toEqual(new Set())
  })
})
