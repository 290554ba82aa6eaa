import { beforeEach, describe, expect, test } from 'vitest'
import type { LeaseRequest, ShareReport } from '../api/agent-protocol.ts'
import { systemClock } from './clock.ts'
import { PlaceDesk } from './place-desk.ts'

let now = 0
let desk: PlaceDesk

beforeEach(() => {
  now = 0
  desk = new PlaceDesk({ ...systemClock, now: () => now }, { ttlMs: 5000, lingerMs: 10_000 })
})

function call(gateway: string, share: Partial<ShareReport> = {}): LeaseRequest {
  const nothing = { inFlight: 0, served: {}, now: 0, turns: {}, waits: [] }
  return { gateway, wanted: [], inFlight: {}, share: { ...nothing, ...share } }
}

describe('gateways of one engine', () => {
  test('hear once what each of the others served, and how far those are', () => {
    desk.call(call('g1'))
    desk.call(call('g2'))
    desk.call(call('g1', { served: { acme: 100, globex: 5 }, now: 70 }))
    desk.call(call('g1', { served: { acme: 20 }, now: 80 }))
    expect(desk.call(call('g2', { now: 9 }))).toMatchObject({
      served: { acme: 120, globex: 5 },
      now: 80,
      shared: true,
    })
    expect(desk.call(call('g2'))?.served).toEqual({})
    expect(desk.call(call('g1'))).toMatchObject({ served: {}, now: 0 })
  })

  test('have all places alone, and share them when another comes', () => {
    expect(desk.call(call('g1', { inFlight: 20 }))).toMatchObject({ places: 32, shared: false })
    desk.call(call('g2'))
    expect(desk.call(call('g1', { inFlight: 20 }))?.places).toBeLessThan(32)
  })

  test('count with what they have while they are silent, but wait no more', () => {
    const waits = [{ tenant: 'acme', turn: 0, cost: 10, count: 50, waitedMs: 0 }]
    desk.call(call('g1', { inFlight: 31, waits }))
    desk.call(call('g2', { inFlight: 0 }))
    expect(desk.call(call('g2'))?.places).toBe(0)
    now = 5001
    desk.call(call('g2'))
    expect(desk.call(call('g2', { inFlight: 0, waits }))?.places).toBe(2)
    now = 15_100
    expect(desk.call(call('g2'))).toMatchObject({ places: 32, shared: false })
  })

  test('from before there were shares get none, and count all the same', () => {
    desk.call({ gateway: 'old', wanted: [], inFlight: { a: 20, b: 11 } })
    expect(desk.call({ gateway: 'old', wanted: [], inFlight: { a: 20, b: 11 } })).toBeUndefined()
    expect(desk.call(call('g1'))?.places).toBeLessThanOrEqual(1)
  })

  test('may have less once the engine has requests waiting', () => {
    desk.call(call('g1', { inFlight: 32 }))
    desk.note({ running: 16, waiting: 16 })
    desk.note({ running: 16, waiting: 16 })
    expect(desk.call(call('g1', { inFlight: 32 }))?.places).toBe(17)
    desk.reset()
    expect(desk.call(call('g1'))?.places).toBe(32)
  })
})

describe('what gateways have at the engine', () => {
  test('is told of each by its name, and is at most 100 ms old', () => {
    desk.call({ ...call('g1', { inFlight: 3, queuedPromptTokens: 40, remainingTokens: 500 }) })
    expect(desk.loads.gateways).toEqual({
      g1: { inFlight: 3, queuedPromptTokens: 40, remainingTokens: 500 },
    })
    desk.call(call('g2', { inFlight: 2 }))
    expect(desk.loads.gateways).not.toHaveProperty('g2')
    now = 100
    expect(desk.loads.gateways['g2']).toEqual({
      inFlight: 2,
      queuedPromptTokens: 0,
      remainingTokens: 0,
    })
  })

  test('is told of a gateway from before there were shares, too, and of none that is gone', () => {
    desk.call({ gateway: 'old', wanted: [], inFlight: { a: 2, b: 0 } })
    expect(desk.loads).toMatchObject({ gateways: { old: { inFlight: 2 } } })
    expect([...desk.loads.active]).toEqual(['a'])
    now = 16_000
    expect(desk.loads).toEqual({ gateways: {}, active: new Set() })
  })

  test('counts an adapter once, whoever runs it, and not one that is only kept', () => {
    desk.call({ ...call('g1'), inFlight: { a: 2, b: 1, c: 0 } })
    desk.call({ ...call('g2'), wanted: ['c', 'b'], inFlight: { a: 1 } })
    expect([...desk.loads.active].sort()).toEqual(['a', 'b'])
  })
})
