import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { LeaseAnswer, LeaseRequest } from '../api/agent-protocol.ts'
import { slotDefaults, SlotTable, type SlotView } from './slots.ts'

function aTable(total: number) {
  return new SlotTable({ total, ...slotDefaults })
}

function at(nowMs: number, overrides: Partial<SlotView> = {}): SlotView {
  return { nowMs, open: true, isRoutable: () => true, ...overrides }
}

function call(
  gateway: string,
  wanted: readonly string[],
  inFlight: Readonly<Record<string, number>> = {},
): LeaseRequest {
  return { gateway, wanted: [...wanted], inFlight: { ...inFlight } }
}

/** As `call`, with the turns of the tenants who call the revisions. */
function callInTurn(
  gateway: string,
  wanted: readonly string[],
  inFlight: Readonly<Record<string, number>>,
  turns: Readonly<Record<string, number>>,
): LeaseRequest {
  const share = { inFlight: 0, served: {}, now: 0, waits: [], turns: { ...turns } }
  return { ...call(gateway, wanted, inFlight), share }
}

describe('by the turns of tenants (I15)', () => {
  const greedy = { g1: 500, g2: 500, g3: 500, g4: 500 }

  test('a slot goes to whoever was served least, not to whoever asked first', () => {
    const table = aTable(1)
    table.lease(callInTurn('gw', ['g1'], {}, greedy), at(0))
    table.lease(callInTurn('gw', ['g2', 'g3', 'v'], { g1: 1 }, { ...greedy, v: 90 }), at(1000))
    const last = callInTurn('gw', ['g2', 'g3', 'v'], {}, { ...greedy, v: 90 })
    expect(table.lease(last, at(1100)).granted).toEqual(['v'])
  })

  test('a tenant with many adapters rotates its own slots, not those of one with less service', () => {
    const table = aTable(2)
    const turns = { ...greedy, v: 90 }
    table.lease(callInTurn('gw', ['v', 'g1'], {}, turns), at(0))
    const busy = callInTurn('gw', ['g2', 'g3', 'g4'], { v: 1, g1: 1 }, turns)
    expect(table.lease(busy, at(1000))).toMatchObject({ granted: ['v'], reclaimed: ['g1'] })
    expect(table.lease(busy, at(2500)).granted).toEqual(['v'])
  })

  test('but not for ever: whoever waits is served in the end', () => {
    const table = aTable(1)
    const turns = { ...greedy, v: 90 }
    table.lease(callInTurn('gw', ['v'], {}, turns), at(0))
    const busy = callInTurn('gw', ['g1'], { v: 1 }, turns)
    expect(table.lease(busy, at(7999)).reclaimed).toEqual([])
    expect(table.lease(busy, at(8000)).reclaimed).toEqual(['v'])
  })
})

describe('the slot table', () => {
  test('grants in the same call while a slot is free', () => {
    const table = aTable(2)
    expect(table.lease(call('g1', ['a', 'b', 'c']), at(0)).granted).toEqual(['a', 'b'])
  })

  test('swaps within one call when the same gateway gives one back and wants another', () => {
    const table = aTable(1)
    table.lease(call('g1', ['a']), at(0))
    expect(table.lease(call('g1', ['b']), at(1)).granted).toEqual(['b'])
  })

  test('shares a slot between gateways that want the same revision', () => {
    const table = aTable(1)
    table.lease(call('g1', ['a']), at(0))
    expect(table.lease(call('g2', ['a']), at(1)).granted).toEqual(['a'])
    expect(table.used).toBe(1)
  })

  test('asks at once for a slot that is kept idle, and says whom to tell', () => {
    const table = aTable(1)
    table.lease(call('g1', ['a']), at(0))
    table.lease(call('g1', [], { a: 0 }), at(1))
    expect(table.lease(call('g2', ['b']), at(2)).granted).toEqual([])
    expect(table.takeStale()).toEqual(['g1'])
    expect(table.lease(call('g1', [], { a: 0 }), at(3)).reclaimed).toEqual(['a'])
    table.lease(call('g1', [], { a: 0 }), at(4))
    expect(table.takeStale()).toEqual(['g2'])
    expect(table.lease(call('g2', ['b']), at(5)).granted).toEqual(['b'])
  })

  test('leaves a busy adapter its quantum, then takes the slot granted longest', () => {
    const table = aTable(2)
    table.lease(call('g1', ['a']), at(0))
    table.lease(call('g1', ['b'], { a: 1 }), at(100))
    const busy = call('g1', ['c'], { a: 1, b: 1 })
    expect(table.lease(busy, at(999))).toMatchObject({ granted: ['a', 'b'], reclaimed: [] })
    expect(table.lease(busy, at(1000))).toMatchObject({ granted: ['b'], reclaimed: ['a'] })
    expect(table.lease(call('g1', ['c'], { b: 1 }), at(1010)).granted).toEqual(['b', 'c'])
  })

  test('queues a reclaimed one that has waiters again at the end', () => {
    const table = aTable(1)
    table.lease(call('g1', ['a']), at(0))
    table.lease(call('g1', ['a', 'b', 'c'], { a: 1 }), at(1000))
    table.lease(call('g1', ['a', 'b', 'c'], { a: 1 }), at(1001))
    expect(table.lease(call('g1', ['a', 'b', 'c']), at(1002)).granted).toEqual(['b'])
    expect(table.lease(call('g1', ['a', 'c']), at(1003)).granted).toEqual(['c'])
    expect(table.lease(call('g1', ['a']), at(1004)).granted).toEqual(['a'])
  })

  test('keeps its turn when it is at the head of the queue and its slot never came back', () => {
    const table = aTable(1)
    table.lease(call('g1', ['a']), at(0))
    table.lease(call('g2', ['b']), at(1000))
    table.lease(call('g1', ['a'], { a: 1 }), at(1001))
    table.lease(call('g2', ['c']), at(1002))
    expect(table.lease(call('g1', ['a']), at(1003)).granted).toEqual(['a'])
  })

  test('does not take a grant back before its gateway heard of it', () => {
    const table = aTable(1)
    table.lease(call('g1', ['a']), at(0))
    table.lease(call('g2', ['b']), at(2000))
    // g1 sent this before it was told: it may have admitted one since.
    expect(table.lease(call('g1', ['a']), at(2001)).reclaimed).toEqual(['a'])
    expect(table.lease(call('g2', ['b']), at(2002)).granted).toEqual([])
    table.lease(call('g1', ['a']), at(2003))
    expect(table.lease(call('g2', ['b']), at(2004)).granted).toEqual(['b'])
  })

  test('asks for a second slot when the first holds a long stream', () => {
    const table = aTable(2)
    table.lease(call('g1', ['a', 'b']), at(0))
    const busy = call('g1', ['c'], { a: 1, b: 1 })
    expect(table.lease(busy, at(1000)).reclaimed).toEqual(['a'])
    expect(table.lease(busy, at(1999)).reclaimed).toEqual(['a'])
    expect(table.lease(busy, at(2000)).reclaimed).toEqual(['a', 'b'])
  })

  test('lets a reclaimed one go on when nobody waits any more', () => {
    const table = aTable(1)
    table.lease(call('g1', ['a']), at(0))
    table.lease(call('g1', ['b'], { a: 1 }), at(1000))
    expect(table.lease(call('g1', [], { a: 1 }), at(1001)).granted).toEqual(['a'])
  })

  test('frees the slots of a silent gateway only after its lease and what it had in flight', () => {
    const table = aTable(1)
    table.lease(call('dead', ['a']), at(0))
    const end = slotDefaults.ttlMs + slotDefaults.lingerMs
    expect(table.lease(call('g2', ['b']), at(end)).granted).toEqual([])
    expect(table.lease(call('g2', ['b']), at(end + 1)).granted).toEqual(['b'])
  })

  test('grants nothing that is not routable, and lets it pass in the queue', () => {
    const table = aTable(1)
    const view = at(0, { isRoutable: (revision) => revision === 'b' })
    expect(table.lease(call('g1', ['a', 'b']), view).granted).toEqual(['b'])
  })

  test('takes back what is no longer routable', () => {
    const table = aTable(2)
    table.lease(call('g1', ['a']), at(0))
    const retired = { isRoutable: () => false }
    expect(table.lease(call('g1', [], { a: 1 }), at(1, retired)).reclaimed).toEqual(['a'])
    expect(table.isHeld('a')).toBe(true)
    table.lease(call('g1', [], { a: 0 }), at(2, retired))
    expect(table.isHeld('a')).toBe(false)
  })

  test('grants nothing while closed and names what is held as reclaimed', () => {
    const table = aTable(2)
    table.lease(call('g1', ['a']), at(0))
    const answer = table.lease(call('g1', ['b'], { a: 1 }), at(1, { open: false }))
    expect(answer).toMatchObject({ granted: [], reclaimed: ['a'] })
  })

  test('puts work ahead of waiters and takes a busy slot before its quantum for it', () => {
    const table = aTable(1)
    table.lease(call('g1', ['a']), at(0))
    expect(table.claimWork(at(1))).toBe(false)
    expect(table.lease(call('g1', ['b'], { a: 1 }), at(2)).reclaimed).toEqual(['a'])
    expect(table.lease(call('g1', ['b']), at(3)).granted).toEqual([])
    expect(table.hasWork).toBe(true)
    table.releaseWork(at(4))
    expect(table.takeStale()).toEqual(['g1'])
    expect(table.lease(call('g1', ['b']), at(5)).granted).toEqual(['b'])
  })

  test('counts what an earlier agent granted, even beyond the total', () => {
    const table = aTable(1)
    table.lease(call('g1', [], { a: 1, b: 1 }), at(0))
    expect(table.used).toBe(2)
    expect(table.lease(call('g2', ['c']), at(1)).granted).toEqual([])
    expect(table.lease(call('g1', ['b'], { a: 1, b: 1 }), at(2)).granted).toEqual(['a'])
  })
})

/** A gateway that keeps its side of the bargain, over a wire that takes its time. */
class ModelGateway {
  readonly name: string
  readonly #keepsIdle: boolean
  readonly waiting = new Map<string, number>()
  readonly inFlight = new Map<string, number>()
  #granted: readonly string[] = []
  #sent: LeaseRequest | undefined
  #answer: LeaseAnswer | undefined
  #sentAtMs = 0
  #validUntilMs = 0
  heardAtMs = 0
  alive = true

  constructor(name: string, keepsIdle: boolean) {
    this.name = name
    this.#keepsIdle = keepsIdle
  }

  arrive(revision: string) {
    this.waiting.set(revision, (this.waiting.get(revision) ?? 0) + 1)
  }

  admit(nowMs: number) {
    for (const [revision, count] of this.waiting) {
      const named =
        this.#sent === undefined ||
        this.#sent.wanted.includes(revision) ||
        revision in this.#sent.inFlight
      if (count > 0 && named && this.#granted.includes(revision) && nowMs < this.#validUntilMs) {
        this.waiting.delete(revision)
        this.inFlight.set(revision, (this.inFlight.get(revision) ?? 0) + count)
      }
    }
  }

  finish(revision: string) {
    this.inFlight.delete(revision)
  }

  send(nowMs: number) {
    if (this.#sent === undefined) {
      const kept = this.#keepsIdle ? this.#granted.map((revision) => [revision, 0] as const) : []
      const inFlight = Object.fromEntries([...kept, ...this.inFlight])
      this.#sent = { gateway: this.name, wanted: [...this.waiting.keys()], inFlight }
      this.#sentAtMs = nowMs
    }
  }

  arriveAtAgent(table: SlotTable, view: SlotView) {
    if (this.#sent !== undefined && this.#answer === undefined) {
      this.#answer = table.lease(this.#sent, view)
      this.heardAtMs = view.nowMs
    }
  }

  receive(lost: boolean) {
    if (this.#answer !== undefined) {
      this.#granted = lost ? [] : this.#answer.granted
      this.#validUntilMs = lost ? 0 : this.#sentAtMs + this.#answer.ttlMs
      this.#answer = undefined
      this.#sent = undefined
    }
  }

  call(table: SlotTable, view: SlotView) {
    this.send(view.nowMs)
    this.arriveAtAgent(table, view)
    this.receive(false)
  }
}

const aRevision = fc.constantFrom('a', 'b', 'c')
const aGateway = fc.nat({ max: 1 })
const aStep = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('arrive' as const),
      gateway: aGateway,
      revision: aRevision,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('call' as const), gateway: aGateway }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('admit' as const), gateway: aGateway }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('finish' as const),
      gateway: aGateway,
      revision: aRevision,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('send' as const), gateway: aGateway }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('process' as const), gateway: aGateway }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('receive' as const),
      gateway: aGateway,
      lost: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(100, 1000, 4999, 5100, 9000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('work' as const), claim: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), gateway: aGateway }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('toggle' as const), revision: aRevision }),
  },
)
type Step = typeof aStep extends fc.Arbitrary<infer T> ? T : never

class World {
  readonly total: number
  readonly table: SlotTable
  readonly gateways: readonly ModelGateway[]
  readonly unroutable = new Set<string>()
  nowMs = 0

  constructor(total: number) {
    this.total = total
    this.table = aTable(total)
    this.gateways = [0, 1].map((index) => new ModelGateway(`g${index}`, index === 1))
  }

  get view(): SlotView {
    return at(this.nowMs, { isRoutable: (revision) => !this.unroutable.has(revision) })
  }

  get distinctInFlight(): number {
    const distinct = new Set(this.gateways.flatMap((gateway) => [...gateway.inFlight.keys()]))
    return distinct.size + (this.table.hasWork ? 1 : 0)
  }

  apply(step: Step) {
    const gateway = 'gateway' in step ? this.gateways[step.gateway] : undefined
    if (gateway?.alive === false) {
      return
    }
    switch (step.do) {
      case 'arrive':
        return gateway?.arrive(step.revision)
      case 'admit':
        return gateway?.admit(this.nowMs)
      case 'finish':
        return gateway?.finish(step.revision)
      case 'call':
        gateway?.receive(false)
        return gateway?.call(this.table, this.view)
      case 'send':
        return gateway?.send(this.nowMs)
      case 'process':
        return gateway?.arriveAtAgent(this.table, this.view)
      case 'receive':
        return gateway?.receive(step.lost)
      case 'wait':
        return this.wait(step.ms)
      case 'work':
        return step.claim ? this.table.claimWork(this.view) : this.table.releaseWork(this.view)
      case 'die':
        if (gateway !== undefined) {
          gateway.alive = false
        }
        return undefined
      case 'toggle':
        return this.unroutable.has(step.revision)
          ? this.unroutable.delete(step.revision)
          : this.unroutable.add(step.revision)
      default:
        return step satisfies never
    }
  }

  /** The one assumption: what a silent gateway has in flight ends within the linger after its lease. */
  wait(ms: number) {
    this.nowMs += ms
    for (const gateway of this.gateways) {
      if (this.nowMs - gateway.heardAtMs > slotDefaults.ttlMs + slotDefaults.lingerMs) {
        gateway.inFlight.clear()
      }
    }
    this.table.advance(this.view)
  }
}

describe('under any order of calls, answers, losses and deaths', { timeout: 30_000 }, () => {
  const aRun = fc.record({
    total: fc.integer({ min: 1, max: 2 }),
    steps: fc.array(aStep, { minLength: 10, maxLength: 60, size: 'max' }),
  })

  test('never more distinct adapters are in flight than slots', () => {
    fc.assert(
      fc.property(aRun, ({ total, steps }) => {
        const world = new World(total)
        for (const step of steps) {
          world.apply(step)
          expect(world.distinctInFlight).toBeLessThanOrEqual(total)
        }
      }),
      { numRuns: 1500 },
    )
  })

  test('everybody who waits is served while requests end', () => {
    fc.assert(
      fc.property(aRun, ({ total, steps }) => {
        const world = new World(total)
        for (const step of steps) {
          world.apply(step)
        }
        world.unroutable.clear()
        world.table.releaseWork(world.view)
        const alive = world.gateways.filter((gateway) => gateway.alive)
        const unserved = () =>
          alive.flatMap((gateway) => [...gateway.waiting.keys()].map((r) => `${gateway.name} ${r}`))
        for (let round = 0; round < 600 && unserved().length > 0; round += 1) {
          world.wait(100)
          for (const gateway of alive) {
            gateway.receive(false)
            gateway.call(world.table, world.view)
            gateway.admit(world.nowMs)
            expect(world.distinctInFlight).toBeLessThanOrEqual(total)
          }
          // Each request runs for some rounds, and the busiest gateway keeps asking for what it has.
          if (round % 3 === 2) {
            for (const gateway of alive) {
              gateway.inFlight.clear()
            }
          }
        }
        expect(unserved()).toEqual([])
      }),
      { numRuns: 300 },
    )
  })
})
