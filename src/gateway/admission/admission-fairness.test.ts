import { beforeEach, describe, expect, test } from 'vitest'
import { FakeView } from '../../../test/support/fake-view.ts'
import { PoolAdmission } from './admission.ts'
import { defaultAdmissionLimits } from './queue-bounds.ts'
import type { ReplicaView } from '../replica-view.ts'
import type { Ticket } from './ticket.ts'

let view: FakeView
/** Names of tickets in the order in which they were placed. */
let served: string[]

beforeEach(() => {
  view = new FakeView('p0')
  served = []
})

const real = (): ReplicaView => view as unknown as ReplicaView

function admission(): PoolAdmission {
  return new PoolAdmission(
    () => [real()],
    defaultAdmissionLimits,
    () => 1000,
  )
}

function ticket(name: string, revision: string, weight = 1): Ticket {
  return {
    revision,
    tenant: name.replace(/\d+$/, ''),
    weight,
    sizeBytes: 100,
    isStreamed: true,
    cameAt: 0,
    deadline: 31_000,
    coldStart: undefined,
    tried: new Set(),
    lost: undefined,
    isOnTrial: false,
    place: () => served.push(name),
    refuse: () => served.push(`${name} refused`),
  }
}

/** Tickets of two tenants that all wait, the greedy one's first; then there is one place. */
function crowd(to: PoolAdmission, weight = 1): void {
  view.room = 0
  for (let at = 1; at <= 6; at += 1) {
    to.submit(ticket(`greedy${at}`, 'a'))
  }
  for (let at = 1; at <= 4; at += 1) {
    to.submit(ticket(`victim${at}`, 'b', weight))
  }
  view.room = 1
  to.pump()
}

/** One after the other ends. */
function release(to: PoolAdmission, count: number): void {
  for (let at = 0; at < count; at += 1) {
    view.inFlight -= 1
    to.pump()
  }
}

describe('tenants take turns by what they were served', () => {
  test('so that one with a long queue does not keep another waiting', () => {
    const to = admission()
    crowd(to)
    release(to, 4)
    expect(served).toEqual(['greedy1', 'victim1', 'greedy2', 'victim2', 'greedy3'])
  })

  test('by weight', () => {
    const to = admission()
    crowd(to, 3)
    release(to, 5)
    expect(served).toEqual(['greedy1', 'victim1', 'victim2', 'victim3', 'greedy2', 'victim4'])
  })

  test('in tokens that the engine counted, and the other gateways are told', () => {
    const to = admission()
    for (const [name, output] of [
      ['greedy', 100],
      ['victim', 10],
    ] as const) {
      const one = ticket(name, 'c')
      to.submit(one)
      to.release(one, real(), { input: 10, output })
    }
    expect(view.charged).toEqual(
      new Map([
        ['greedy', 210],
        ['victim', 30],
      ]),
    )
    expect(to.fair.turnOf('greedy')).toBeGreaterThan(to.fair.turnOf('victim'))
  })

  test('and an image of megabytes is no longer a prompt than its model reads', () => {
    const to = admission()
    to.submit({ ...ticket('greedy', 'c'), sizeBytes: 4_000_000, contextWindow: 500 })
    to.submit({ ...ticket('victim', 'c'), sizeBytes: 4 * 500 })
    expect(to.fair.turnOf('greedy')).toBe(to.fair.turnOf('victim'))
    expect(to.fair.turnOf('greedy')).toBeGreaterThan(0)
  })

  test('while a long answer grows, not only when it ends', () => {
    const to = admission()
    const one = ticket('greedy', 'c')
    to.submit(one)
    const before = to.fair.turnOf('greedy')
    to.progress(one, real(), 500)
    expect(to.fair.turnOf('greedy') - before).toBe(1000)
  })

  test('and how far a stream is, is told its replica until it has more than begun, and not after its end', () => {
    const to = admission()
    const [first, second] = [ticket('greedy', 'c'), ticket('greedy', 'c')]
    to.submit(first)
    to.release(first, real(), { input: 10, output: 80 })
    to.submit(second)
    let tokens = 8
    const source = to.paceOf(second, real(), () => tokens)
    source.looked()
    tokens = 16
    source.looked()
    source.looked()
    expect(view.written).toEqual([8, 16])
    to.submit(first)
    const ended = to.paceOf(first, real(), () => tokens)
    to.release(first, real(), { input: 10, output: 80 })
    ended.looked()
    expect(view.written).toEqual([8, 16])
  })

  test('and only what is work for a GPU is told to whoever counts replicas', () => {
    const to = admission()
    to.submit({ ...ticket('greedy', 'c'), isCount: true })
    expect(to.totals).toMatchObject({ requests: 0, input: 0 })
    to.submit(ticket('greedy', 'c'))
    expect(to.totals.requests).toBe(1)
  })

  test('and no place stays free for one who cannot go now', () => {
    const to = admission()
    view.placements.set('b', 'NeedsSlot')
    crowd(to)
    release(to, 5)
    expect(served).toEqual(['greedy1', 'greedy2', 'greedy3', 'greedy4', 'greedy5', 'greedy6'])
    view.placements.set('b', 'Now')
    release(to, 3)
    expect(served.slice(6)).toEqual(['victim1', 'victim2', 'victim3'])
  })
})

describe('who waits for nothing but a place', () => {
  test('is told to the agent, those with most right first', () => {
    const to = admission()
    crowd(to)
    const waits = to.waitsFor(() => true)
    expect(waits.map(({ tenant, count }) => [tenant, count])).toEqual([
      ['victim', 4],
      ['greedy', 5],
    ])
    expect(to.waitsFor((revision) => revision === 'a').map(({ tenant }) => tenant)).toEqual([
      'greedy',
    ])
    expect(view.placesWanted).toBeGreaterThan(0)
  })

  test('with how long the first of each has waited', () => {
    const to = admission()
    view.room = 0
    for (const [name, cameAt] of [
      ['greedy1', 900],
      ['victim1', 400],
      ['victim2', 700],
    ] as const) {
      to.submit({ ...ticket(name, 'a'), cameAt })
    }
    const waits = to.waitsFor(() => true)
    expect(new Map(waits.map(({ tenant, waitedMs }) => [tenant, waitedMs]))).toEqual(
      new Map([
        ['greedy', 100],
        ['victim', 600],
      ]),
    )
  })

  test('and what is running have the turns of their tenants by revision', () => {
    const to = admission()
    crowd(to)
    expect(to.turns()).toEqual(
      new Map([
        ['a', to.fair.turnOf('greedy')],
        ['b', to.fair.turnOf('victim')],
      ]),
    )
  })
})
