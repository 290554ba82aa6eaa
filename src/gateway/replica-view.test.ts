import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { patience } from '../../test/support/eventually.ts'
import type { LeaseAnswer } from '../api/agent-protocol.ts'
import { aWork } from '../../test/support/a-work.ts'
import { ScriptedAgent } from '../../test/support/scripted-agent.ts'
import { ReplicaView } from './replica-view.ts'

let agent: ScriptedAgent
let view: ReplicaView
let changes = 0
let now = 0
let apiKey: string | undefined

beforeEach(() => {
  agent = new ScriptedAgent('r0')
  changes = 0
  now = 1000
  apiKey = 'first'
  view = new ReplicaView(
    {
      name: 'r0',
      poolKey: 'models/llama',
      servedModelName: 'lpx-base',
      address: () => ({ url: 'http://127.0.0.1:9', apiKey }),
      link: agent,
    },
    { gateway: 'gw', maxInFlight: 3, now: () => now, onChange: () => (changes += 1) },
  )
})
afterEach(() => view.close())

/** An agent whose lease answers come when the test says. */
function answersByHand() {
  const pending: ((answer: Partial<LeaseAnswer>) => void)[] = []
  agent.leaseAnswers = () =>
    new Promise((resolve) => {
      pending.push((answer) => resolve({ granted: [], reclaimed: [], ttlMs: 5000, ...answer }))
    })
  return async (answer: Partial<LeaseAnswer>): Promise<void> => {
    await vi.waitFor(() => expect(pending.length).toBeGreaterThan(0), patience)
    pending.shift()?.(answer)
    await settled()
  }
}

/** Promises, and the turn of the event loop between two leases. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function routableAndGranted(revision: string): Promise<void> {
  agent.up('p1')
  agent.routable(revision)
  view.wantSlot(revision)
  await settled()
}

describe('a request can go to a replica', () => {
  test('not before its agent has spoken', () => {
    expect(view.placementOf(undefined)).toBe('Down')
    expect(view.placementOf('a')).toBe('Down')
  })

  test('with the base as soon as the engine is up: that takes no slot', () => {
    agent.up('p1')
    expect(view.placementOf(undefined)).toBe('Now')
  })

  test('with an adapter only once it is routable and granted', async () => {
    agent.up('p1')
    expect(view.placementOf('a')).toBe('NotRoutable')
    agent.reside('a', { state: 'Loaded' })
    expect(view.placementOf('a')).toBe('NotRoutable')
    agent.routable('a')
    expect(view.placementOf('a')).toBe('NeedsSlot')
    view.wantSlot('a')
    await settled()
    expect(view.placementOf('a')).toBe('Now')
    agent.reside('a', { state: 'Retired' })
    expect(view.placementOf('a')).toBe('NotRoutable')
  })

  test('not while it drains, and not when it went down', async () => {
    await routableAndGranted('a')
    await agent.drain()
    expect(view.placementOf('a')).toBe('Down')
    agent.up('p2')
    agent.down()
    expect(view.placementOf(undefined)).toBe('Down')
  })

  test('only so many at once', async () => {
    await routableAndGranted('a')
    view.acquire(aWork('a'))
    view.acquire(aWork(undefined))
    view.acquire(aWork('a'))
    expect([view.placementOf('a'), view.placementOf(undefined)]).toEqual(['Full', 'Full'])
    view.release(aWork('a'), true)
    expect(view.placementOf('a')).toBe('Now')
    expect(view.inFlight).toBe(2)
  })

  test('no more once it left the list, while what runs there goes on', async () => {
    await routableAndGranted('a')
    view.acquire(aWork('a'))
    view.retire()
    expect([view.placementOf('a'), view.placementOf(undefined)]).toEqual(['Down', 'Down'])
    view.renewLease()
    await settled()
    expect(agent.leases.at(-1)?.inFlight).toEqual({ a: 1 })
  })
})

describe('another engine process', () => {
  test('knows nothing of what the one before had (I2)', async () => {
    await routableAndGranted('a')
    const before = view.connections
    agent.up('p2')
    expect(view.placementOf('a')).toBe('NotRoutable')
    expect([...view.routable()]).toEqual([])
    expect(view.engineProcess).toBe('p2')
    expect(view.connections).not.toBe(before)
  })

  test('is asked for its address and key again', () => {
    agent.up('p1')
    expect(view.requestHeaders).toContain('Bearer first')
    apiKey = undefined
    agent.up('p2')
    expect(view.requestHeaders).not.toContain('authorization')
  })

  test('that is none takes no request', () => {
    agent.up('p1')
    agent.up('')
    expect(view.placementOf(undefined)).toBe('Down')
    expect(view.connections).toBeUndefined()
  })

  test('the same one again keeps its connections', () => {
    agent.up('p1')
    const before = view.connections
    agent.up('p1')
    expect(view.connections).toBe(before)
  })
})

describe('a lease', () => {
  test('is asked for once while an answer is out', async () => {
    const answer = answersByHand()
    agent.up('p1')
    agent.routable('a', 'b')
    view.wantSlot('a')
    view.wantSlot('b')
    view.renewLease()
    expect(agent.leases.map((lease) => lease.wanted)).toEqual([['a']])
    await answer({})
    expect(agent.leases.map((lease) => lease.wanted)).toEqual([['a'], ['a', 'b']])
  })

  test('lists what waits in the order in which it began to wait', async () => {
    agent.slots = 0
    agent.up('p1')
    for (const revision of ['c', 'a', 'b']) {
      view.wantSlot(revision)
    }
    await settled()
    view.renewLease()
    expect(agent.leases.at(-1)?.wanted).toEqual(['c', 'a', 'b'])
  })

  test('stops wanting what it got, and what nobody waits for', async () => {
    agent.slots = 1
    agent.up('p1')
    view.wantSlot('a')
    view.wantSlot('b')
    view.wantSlot('c')
    await settled()
    view.unwantSlot('b')
    view.renewLease()
    expect(agent.leases.at(-1)).toMatchObject({ wanted: ['c'], inFlight: { a: 0 } })
  })

  test('says at once that it wants no more what may be granted by now', async () => {
    agent.slots = 0
    agent.up('p1')
    view.wantSlot('a')
    await settled()
    view.unwantSlot('a')
    expect(agent.leases.at(-1)).toMatchObject({ wanted: [], inFlight: {} })
    await settled()
    const calls = agent.leases.length
    view.renewLease()
    expect(agent.leases.length).toBe(calls)
  })

  test('gives back what was granted after it was no longer wanted', async () => {
    const answer = answersByHand()
    agent.up('p1')
    agent.routable('a')
    view.wantSlot('a')
    view.unwantSlot('a')
    await answer({ granted: ['a'] })
    expect(agent.leases.at(-1)).toMatchObject({ wanted: [], inFlight: {} })
  })

  test('is given back by the next call where the one that should have failed', async () => {
    agent.up('p1')
    agent.routable('a')
    view.wantSlot('a')
    await settled()
    now += 2000
    const reachable = agent.leaseAnswers
    agent.leaseAnswers = () => Promise.reject(new Error('gone'))
    view.renewLease()
    await settled()
    agent.leaseAnswers = reachable
    const calls = agent.leases.length
    view.renewLease()
    await settled()
    expect(agent.leases.length).toBeGreaterThan(calls)
    expect(agent.granted.size).toBe(0)
  })

  test('keeps nothing once its replica left the list', async () => {
    await routableAndGranted('a')
    const work = aWork('a')
    view.acquire(work)
    view.retire()
    await settled()
    expect(agent.leases.at(-1)).toMatchObject({ wanted: [], inFlight: { a: 1 } })
    view.release(work, true)
    await settled()
    expect(agent.granted.size).toBe(0)
  })

  test('says what is in flight, and keeps what is idle with 0', async () => {
    await routableAndGranted('a')
    view.wantSlot('b')
    await settled()
    view.acquire(aWork('a'))
    view.acquire(aWork('a'))
    view.renewLease()
    expect(agent.leases.at(-1)?.inFlight).toEqual({ a: 2, b: 0 })
  })

  test('gives back what was of no use for a while, and starts nothing on it meanwhile', async () => {
    await routableAndGranted('a')
    view.wantSlot('b')
    await settled()
    now += 1500
    view.acquire(aWork('a'))
    view.release(aWork('a'), true)
    now += 1500
    const answer = answersByHand()
    view.renewLease()
    expect(agent.leases.at(-1)).toMatchObject({ wanted: [], inFlight: { a: 0 } })
    expect(agent.leases.at(-1)?.inFlight).not.toHaveProperty('b')
    agent.routable('b')
    expect(view.placementOf('b')).toBe('NeedsSlot')
    await answer({ granted: ['a'] })
    expect(view.placementOf('a')).toBe('Now')
    expect(view.placementOf('b')).toBe('NeedsSlot')
  })

  test('starts nothing on an idle grant while the answer to its report is out', async () => {
    await routableAndGranted('a')
    const answer = answersByHand()
    view.renewLease()
    expect(view.placementOf('a')).toBe('NeedsSlot')
    await answer({ granted: ['a'] })
    expect(view.placementOf('a')).toBe('Now')
  })

  test('goes on admitting to a busy grant meanwhile', async () => {
    await routableAndGranted('a')
    view.acquire(aWork('a'))
    answersByHand()
    view.renewLease()
    expect(view.placementOf('a')).toBe('Now')
  })

  test('admits nothing new to what was reclaimed, and gives it back when it is idle', async () => {
    await routableAndGranted('a')
    view.acquire(aWork('a'))
    const answer = answersByHand()
    view.renewLease()
    await answer({ granted: ['a'], reclaimed: ['a'] })
    expect(view.placementOf('a')).toBe('NeedsSlot')
    view.release(aWork('a'), true)
    expect(agent.leases.at(-1)).toMatchObject({ wanted: [], inFlight: {} })
    await answer({})
    expect(view.placementOf('a')).toBe('NeedsSlot')
  })

  test('gives an idle one back at once when it is reclaimed', async () => {
    await routableAndGranted('a')
    const answer = answersByHand()
    view.renewLease()
    await answer({ granted: ['a'], reclaimed: ['a'] })
    await vi.waitFor(() => expect(agent.leases.at(-1)?.inFlight).toEqual({}), patience)
  })

  test('leaves the event loop its turns, whatever the agent answers', async () => {
    await routableAndGranted('a')
    agent.leaseAnswers = () => Promise.resolve({ granted: ['a'], reclaimed: ['a'], ttlMs: 5000 })
    view.renewLease()
    let turns = 0
    await vi.waitFor(() => expect((turns += 1)).toBeGreaterThan(5), { timeout: 15_000 })
  })

  test('ends its time after it was asked for, not after it was answered', async () => {
    const answer = answersByHand()
    agent.up('p1')
    agent.routable('a')
    view.wantSlot('a')
    now += 400
    await answer({ granted: ['a'], ttlMs: 1000 })
    now += 599
    expect(view.placementOf('a')).toBe('Now')
    now += 1
    expect(view.placementOf('a')).toBe('NeedsSlot')
  })

  test('that failed means nothing new until the next answer', async () => {
    await routableAndGranted('a')
    view.acquire(aWork('a'))
    const works = agent.leaseAnswers
    agent.leaseAnswers = () => Promise.reject(new Error('gone'))
    view.renewLease()
    await settled()
    expect(view.placementOf('a')).toBe('NeedsSlot')
    expect(view.placementOf(undefined)).toBe('Now')
    agent.leaseAnswers = works
    view.renewLease()
    await settled()
    expect(view.placementOf('a')).toBe('Now')
  })

  test('is not asked for while nothing is wanted, held or in flight', () => {
    agent.up('p1')
    view.renewLease()
    expect(agent.leases).toEqual([])
  })

  test('is renewed when the agent says that this gateway’s grants changed', async () => {
    await routableAndGranted('a')
    const { length } = agent.leases
    agent.tellSlots('another')
    expect(agent.leases).toHaveLength(length)
    agent.tellSlots('another', 'gw')
    expect(agent.leases).toHaveLength(length + 1)
  })

  test('is not asked for after the end', async () => {
    await routableAndGranted('a')
    await view.close()
    const { length } = agent.leases
    view.renewLease()
    agent.tellSlots('gw')
    expect(agent.leases).toHaveLength(length)
  })
})

describe('an adapter that another gateway runs', () => {
  test('is active here, until that ends', () => {
    agent.up('p1')
    agent.routable('a')
    const copy = view.copyOf('a')
    agent.active(['a'])
    expect(copy.isActive).toBe(true)
    agent.active([], ['a'])
    expect(copy.isActive).toBe(false)
  })

  test('is not, once the agent speaks anew', () => {
    agent.up('p1')
    agent.routable('a')
    agent.active(['a'])
    agent.up('p1')
    agent.routable('a')
    expect(view.copyOf('a').isActive).toBe(false)
  })
})

describe('an invitation into a free slot', () => {
  test('asks once, and only where there is one', async () => {
    agent.slots = 0
    agent.up('p1')
    view.inviteIntoFreeSlot('a')
    expect(agent.leases).toEqual([])
    agent.slots = 1
    agent.up('p1')
    agent.slots = 0
    view.inviteIntoFreeSlot('a')
    expect(agent.leases.at(-1)?.wanted).toEqual(['a'])
    await settled()
    view.wantSlot('b')
    expect(agent.leases.at(-1)?.wanted).toEqual(['b'])
  })

  test('leaves alone what somebody waits for', async () => {
    agent.slots = 1
    agent.up('p1')
    agent.slots = 0
    view.wantSlot('a')
    view.inviteIntoFreeSlot('a')
    await settled()
    view.renewLease()
    expect(agent.leases.at(-1)?.wanted).toEqual(['a'])
  })
})

test('every word of the agent is passed on as a change', () => {
  agent.up('p1')
  const before = changes
  agent.routable('a')
  agent.down()
  expect(changes).toBe(before + 2)
})
