import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PromptPrefix } from '../../core/prefix-affinity.ts'
import { aWork } from '../../../test/support/a-work.ts'
import { ScriptedAgent } from '../../../test/support/scripted-agent.ts'
import { ReplicaView } from '../replica-view.ts'
import { PoolRouter } from './pool-router.ts'
import type { Ticket } from './ticket.ts'

let agents: readonly ScriptedAgent[] = []
let views: readonly ReplicaView[] = []
let router: PoolRouter

beforeEach(async () => {
  router = new PoolRouter(
    () => views,
    () => 1000,
  )
  agents = ['r0', 'r1', 'r2'].map((name) => new ScriptedAgent(name))
  views = agents.map((agent) => {
    agent.up(`process of ${agent.replica}`)
    agent.routable('a', 'b')
    const view = new ReplicaView(
      {
        name: agent.replica,
        poolKey: 'models/llama',
        servedModelName: 'base',
        address: () => ({ url: 'http://127.0.0.1:9', apiKey: undefined }),
        link: agent,
      },
      {
        gateway: 'gw',
        maxInFlight: 100,
        now: () => 1000,
        onRoutable: (revision) => router.forget(revision),
        onChange: () => undefined,
      },
    )
    view.wantSlot('a')
    return view
  })
  await settled()
})
afterEach(() => Promise.all(views.map((view) => view.close())))

const settled = () => new Promise((resolve) => setImmediate(resolve))

function ticket(revision: string | undefined, fields: Partial<Ticket> = {}): Ticket {
  return {
    revision,
    tenant: 'acme',
    weight: 1,
    sizeBytes: 4000,
    isStreamed: true,
    cameAt: 0,
    deadline: Number.POSITIVE_INFINITY,
    coldStart: undefined,
    tried: new Set(),
    lost: undefined,
    isOnTrial: false,
    place: () => undefined,
    refuse: () => undefined,
    ...fields,
  }
}

/** Goes to where the router says; answers with the replica’s name, and how to end it. */
function send(one: Ticket, to = router.findPlace(one)) {
  const work = to === undefined ? undefined : router.workOf(one, to)
  if (to !== undefined && work !== undefined) {
    to.acquire(work, one.prefix)
  }
  return {
    name: to?.replica.name,
    end: () => work !== undefined && to?.release(work, true),
  }
}

/** A conversation of so many hashed parts. */
function prefix(conversation: number, parts = 4, scope = 1): PromptPrefix {
  const hashes = Array.from({ length: parts }, (_, at) => conversation * 1000 + at)
  return { scope, hashes, sizeBytes: 1728 }
}

describe('the next turn of a conversation', () => {
  test('goes where the last one was read, even with somebody else there', () => {
    send(ticket('a', { prefix: prefix(1) }), views[2]).end()
    send(ticket('a'), views[2])
    expect(send(ticket('a', { prefix: prefix(1) })).name).toBe('r2')
  })

  test('goes elsewhere when too many are there', () => {
    send(ticket('a', { prefix: prefix(1, 2) }), views[2]).end()
    for (let at = 0; at < 9; at += 1) {
      send(ticket('a'), views[2])
    }
    expect(send(ticket('a', { prefix: prefix(1) })).name).toBe('r0')
  })

  test('does not follow another tenant’s, however equal (I7)', () => {
    send(ticket('a', { prefix: prefix(1, 4, 1) }), views[2]).end()
    send(ticket('a'), views[2])
    expect(send(ticket('a', { prefix: prefix(1, 4, 2) })).name).toBe('r0')
  })

  test('does not follow one at an engine process that is gone', async () => {
    send(ticket(undefined, { prefix: prefix(1) }), views[2]).end()
    agents[2]?.up('another process')
    await settled()
    send(ticket(undefined), views[2])
    expect(send(ticket(undefined, { prefix: prefix(1) })).name).toBe('r0')
  })
})

describe('prompts that nobody has read yet', () => {
  test('count until a first token comes', () => {
    const work = aWork('a', { promptTokens: 100_000 })
    views[0]?.acquire(work)
    send(ticket('a'), views[1])
    send(ticket('a'), views[1])
    send(ticket('a'), views[2])
    send(ticket('a'), views[2])
    expect(router.findPlace(ticket('a'))?.replica.name).toBe('r1')
    views[0]?.read(work)
    expect(router.findPlace(ticket('a'))?.replica.name).toBe('r0')
  })
})

describe('a revision', () => {
  test('is looked for where it is now', () => {
    expect(router.findPlace(ticket('a'))?.replica.name).toBe('r0')
    agents[0]?.reside('a', { state: 'Retired' })
    expect(router.findPlace(ticket('a'))?.replica.name).toBe('r1')
    agents[1]?.gone()
    expect(router.findPlace(ticket('a'))?.replica.name).toBe('r2')
    agents[0]?.routable('a')
    expect(router.findPlace(ticket('a'))?.replica.name).toBe('r0')
  })

  test('gets no further request where its slot was taken back', async () => {
    agents[0]?.reclaimed.add('a')
    views[0]?.renewLease()
    expect(router.findPlace(ticket('a'))?.replica.name).toBe('r1')
    await settled()
    expect(router.findPlace(ticket('a'))?.replica.name).toBe('r1')
  })

  test('is asked a slot for where most are free', () => {
    expect(router.findPlace(ticket('b'))).toBeUndefined()
    for (const [at, agent] of agents.entries()) {
      agent.slots = [1, 1, 5][at] ?? 0
      agent.undrain()
    }
    expect(askedFor('b')).toBe('r2')
  })

  test('is asked a slot for where another gateway runs it, although none is free there', () => {
    say([{ slots: 2, kept: 1 }, { slots: 1 }, { slots: 1 }])
    agents[2]?.active(['b'])
    expect(askedFor('b')).toBe('r2')
  })

  test('is asked a slot for where one is only kept, rather than where all are in use', () => {
    say([{ slots: 1 }, { slots: 2, kept: 1 }, { slots: 1 }])
    send(ticket('a'), views[1])
    send(ticket('a'), views[1])
    expect(askedFor('b')).toBe('r1')
  })

  test('is not asked a slot for where its own is being taken back, although it runs there', async () => {
    views[0]?.wantSlot('b')
    await settled()
    send(ticket('b'), views[0])
    agents[0]?.reclaimed.add('b')
    views[0]?.renewLease()
    await settled()
    expect(askedFor('b', views[0])).not.toBe('r0')
  })

  test('is asked for elsewhere when the agent did not grant what it seemed to have', async () => {
    say([{ slots: 1 }, { slots: 1 }, { slots: 1 }])
    agents[0]?.active(['b'])
    expect(askedFor('b')).toBe('r0')
    views[0]?.wantSlot('b')
    await settled()
    agents[1]?.active(['b'])
    expect(askedFor('b', views[0])).toBe('r1')
  })

  test('is not asked for where others of this gateway ask for as many as there are', () => {
    say([{ slots: 2, kept: 1 }, { slots: 1 }, { slots: 1 }])
    expect(askedFor('b', views[2])).toBe('r0')
    views[0]?.wantSlot('c')
    expect(askedFor('b', views[2])).toBe('r2')
  })

  test('goes on being asked for where it was, unless there is one sooner elsewhere', () => {
    say([{ slots: 1 }, { slots: 1 }, { slots: 1 }])
    expect(askedFor('b', views[2])).toBe('r2')
    say([{ slots: 1 }, { slots: 2, kept: 1 }, { slots: 1 }])
    expect(askedFor('b', views[2])).toBe('r1')
    say([{ slots: 5 }, { slots: 2, kept: 1 }, { slots: 1 }])
    expect(askedFor('b', views[1])).toBe('r0')
  })
})

function askedFor(revision: string, asked?: ReplicaView): string | undefined {
  return router.whereToAskForSlot(ticket(revision), asked)?.replica.name
}

/** What agents say of their slots, of which this gateway has one. */
function say(each: readonly { readonly slots: number; readonly kept?: number }[]): void {
  for (const [at, { slots, kept = 0 }] of each.entries()) {
    const agent = agents[at]
    if (agent !== undefined) {
      Object.assign(agent, { slots, kept })
      agent.undrain()
    }
  }
}

describe('what requests ask of engines', () => {
  const tokens = { input: 800, output: 50 }
  const workOf = (promptTokens = 1000) => ({ ...aWork('a'), promptTokens })

  test('is counted once, however often a request comes back from an engine that failed it', () => {
    const one = ticket('a')
    router.arrived(one)
    router.arrived(one)
    expect(router.totals).toMatchObject({ requests: 1, input: 1000, output: 0, answers: 0 })
  })

  test('is what engines counted, in the end', () => {
    const [one, other] = [ticket('a'), ticket('a')]
    router.arrived(one)
    router.arrived(other)
    router.note(one, workOf(), tokens)
    router.note(other, workOf(), { ...tokens, input: 1400 })
    expect(router.totals).toMatchObject({ requests: 2, output: 100, answers: 2 })
    expect(router.totals.input).toBe(2200)
  })

  test('is less by what a cache had of the prompt', () => {
    const one = ticket('a')
    router.arrived(one)
    router.note(one, workOf(250), { input: 4000, output: 50 })
    expect(router.totals.input).toBe(1000)
  })
})
