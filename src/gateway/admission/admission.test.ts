import { beforeEach, describe, expect, test } from 'vitest'
import { aTicket, anAdmission } from '../../../test/support/an-admission.ts'
import { FakeView, firstOf } from '../../../test/support/fake-view.ts'
import { LoraplexError, type ErrorCode } from '../../errors.ts'
import type { PoolAdmission } from './admission.ts'
import type { EngineFate } from '../relay/engine-fate.ts'
import type { Ticket } from './ticket.ts'
import type { AdmissionLimits } from './queue-bounds.ts'

let now = 0
let views: FakeView[] = []
/** What became of tickets, in order: `a1@p0`, or `a1:overloaded`. */
let log: string[] = []

beforeEach(() => {
  now = 1000
  views = [new FakeView('p0')]
  log = []
})

const first = (): FakeView => firstOf(views)

const admission = (limits: Partial<AdmissionLimits> = {}): PoolAdmission =>
  anAdmission(
    () => views,
    () => now,
    limits,
  )

interface TestTicket extends Ticket {
  error: LoraplexError | undefined
}

function ticket(name: string, fields: Partial<Ticket> = {}): TestTicket {
  const one: TestTicket = {
    ...aTicket(name, {
      cameAt: now,
      place: (view) => log.push(`${name}@${view.engineProcess}`),
      refuse: (error) => {
        one.error = error
        log.push(`${name}:${error.code}`)
      },
      ...fields,
    }),
    error: undefined,
  }
  return one
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

/** One after the other ends at this view. */
function release(to: PoolAdmission, view = first(), count = 1): void {
  for (let at = 0; at < count; at += 1) {
    view.inFlight -= 1
    to.pump()
  }
}

describe('a ticket', () => {
  test('goes at once where there is room, to whoever has least to do', () => {
    views = [new FakeView('p0'), new FakeView('p1')]
    first().inFlight = 2
    const to = admission()
    for (const name of ['a1', 'a2', 'base1', 'a3']) {
      to.submit(ticket(name))
    }
    expect(log).toEqual(['a1@p1', 'a2@p1', 'base1@p0', 'a3@p1'])
    expect(to.queued).toBe(0)
  })

  test('waits its turn behind those of its revision', () => {
    first().room = 0
    const to = admission()
    for (const name of ['a1', 'a2', 'a3']) {
      to.submit(ticket(name))
    }
    expect(log).toEqual([])
    first().room = 2
    to.pump()
    expect(log).toEqual(['a1@p0', 'a2@p0'])
    to.submit(ticket('a4'))
    release(to, first(), 2)
    expect(log).toEqual(['a1@p0', 'a2@p0', 'a3@p0', 'a4@p0'])
  })

  test('does not wait for a line of another revision that cannot go', () => {
    first().placements.set('a', 'NeedsSlot')
    const to = admission()
    to.submit(ticket('a1'))
    to.submit(ticket('b1'))
    expect(log).toEqual(['b1@p0'])
  })

  test('can be withdrawn once', () => {
    first().room = 0
    const to = admission()
    const one = ticket('a1')
    to.submit(one)
    expect([to.withdraw(one), to.withdraw(one), to.queued]).toEqual([true, false, 0])
    first().room = 1
    to.pump()
    expect(log).toEqual([])
  })

  test('that goes at once cannot be withdrawn', () => {
    const to = admission()
    const one = ticket('a1')
    to.submit(one)
    expect(to.withdraw(one)).toBe(false)
  })
})

test('lines take turns, so that a short one does not wait for a long one to end', () => {
  first().room = 0
  const to = admission()
  for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'c2']) {
    to.submit(ticket(name))
  }
  first().room = 1
  to.pump()
  release(to, first(), 6)
  expect(log.map((one) => one.slice(0, 2))).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', 'a4'])
})

describe('a wait is over', () => {
  const rows: Record<string, [(view: FakeView) => void, ErrorCode, number]> = {
    'for a slot': [(view) => view.placements.set('a', 'NeedsSlot'), 'overloaded', 2000],
    'for room': [(view) => (view.room = 0), 'overloaded', 2000],
    'for an adapter': [(view) => view.placements.set('a', 'NotRoutable'), 'adapter_loading', 4200],
    'for an engine': [(view) => (view.ready = false), 'no_replica', 5000],
  }
  test.each(Object.entries(rows))('%s', async (_sentence, [arrange, code, retryAfterMs]) => {
    arrange(first())
    const to = admission()
    const one = ticket('a1')
    to.submit(one)
    await settled()
    now += 29_999
    to.sweep()
    expect(log).toEqual([])
    now += 1
    to.sweep()
    expect(log).toEqual([`a1:${code}`])
    expect(one.error?.retryAfterMs).toBe(retryAfterMs)
    expect([to.queued, first().wanted]).toEqual([0, []])
  })

  test('before it began: who must not wait is refused at once, unless there is room', () => {
    const to = admission()
    to.submit(ticket('a1', { deadline: now }))
    first().room = 0
    to.submit(ticket('a2', { deadline: now }))
    expect(log).toEqual(['a1@p0', 'a2:overloaded'])
  })

  test('for one and not for those behind it', () => {
    first().room = 0
    const to = admission()
    to.submit(ticket('a1', { deadline: now + 100 }))
    to.submit(ticket('a2'))
    now += 100
    to.sweep()
    first().room = 1
    to.pump()
    expect(log).toEqual(['a1:overloaded', 'a2@p0'])
  })
})

describe('what may wait is bounded (I9)', () => {
  beforeEach(() => {
    first().room = 0
  })

  test('in number', () => {
    const to = admission({ maxQueued: 2 })
    for (const name of ['a1', 'b1', 'c1']) {
      to.submit(ticket(name))
    }
    expect(log).toEqual(['c1:overloaded'])
  })

  test('in bytes', () => {
    const to = admission({ maxQueuedBytes: 250 })
    for (const name of ['a1', 'a2', 'a3']) {
      to.submit(ticket(name))
    }
    expect(log).toEqual(['a3:overloaded'])
  })

  test('of one tenant', () => {
    const to = admission({ maxQueuedPerTenant: 1 })
    to.submit(ticket('a1'))
    to.submit(ticket('a2'))
    to.submit(ticket('a3', { tenant: 'globex' }))
    expect(log).toEqual(['a2:queue_share_full'])
  })

  test('and what leaves makes room again, however it leaves', () => {
    const to = admission({ maxQueued: 1, maxQueuedBytes: 100, maxQueuedPerTenant: 1 })
    const withdrawn = ticket('a1')
    to.submit(withdrawn)
    to.withdraw(withdrawn)
    to.submit(ticket('a2', { deadline: now + 1 }))
    now += 1
    to.sweep()
    to.submit(ticket('a3'))
    first().room = 1
    to.pump()
    to.submit(ticket('a4'))
    to.refuseAll(() => new LoraplexError('shutting_down', 'x'))
    to.submit(ticket('a5'))
    expect(log).toEqual(['a2:overloaded', 'a3@p0', 'a4:shutting_down'])
    expect(to.queued).toBe(1)
  })
})

describe('a busy adapter', () => {
  test('is invited to a replica where it would cost less, although it is a further one there', () => {
    views = [new FakeView('p0'), new FakeView('p1')]
    views[1]?.placements.set('a', 'NeedsSlot')
    const to = admission()
    to.submit(ticket('a1'))
    to.submit(ticket('a2'))
    expect(views[1]?.invited).toEqual([])
    to.submit(ticket('a3'))
    expect(log).toHaveLength(3)
    expect(views[1]?.invited).toEqual(['a'])
    expect(first().invited).toEqual([])
  })

  test('is not invited where no slot is free', () => {
    views = [new FakeView('p0'), new FakeView('p1')]
    const other = views[1]
    other?.placements.set('a', 'NeedsSlot')
    Object.assign(other ?? {}, { freeSlots: 0 })
    const to = admission()
    for (let at = 1; at <= 9; at += 1) {
      to.submit(ticket(`a${at}`))
    }
    expect(other?.invited).toEqual([])
  })
})

describe('a ticket that failed somewhere', () => {
  const lost = (fate: EngineFate = 'Unknown') => ({
    error: new LoraplexError('engine_failed', 'it died'),
    fate,
    at: now,
  })

  test('never goes to the same process again', () => {
    views = [new FakeView('p0'), new FakeView('p1')]
    const to = admission()
    to.submit(ticket('a1', { tried: new Set(['p0']) }))
    to.submit(ticket('a2', { tried: new Set(['p0', 'p1']) }))
    expect(log).toEqual(['a1@p1'])
  })

  test('lets those behind it pass while it waits for another', () => {
    const to = admission()
    to.submit(ticket('a1', { tried: new Set(['p0']), lost: lost() }))
    to.submit(ticket('a2'))
    to.pump()
    expect(log).toEqual(['a2@p0'])
  })

  test('goes to the next process of the same replica', () => {
    const to = admission()
    to.submit(ticket('a1', { tried: new Set(['p0']), lost: lost() }))
    views = [new FakeView('p0, again')]
    to.pump()
    expect(log).toEqual(['a1@p0, again'])
  })

  test.each([
    ['whose connection broke', 'Unknown', 2000],
    ['that said it was dying', 'Dying', 10_000],
  ] as const)('hears its failure when no other process follows one %s', (_words, fate, graceMs) => {
    const to = admission()
    const one = ticket('a1', { tried: new Set(['p0']), lost: lost(fate) })
    to.submit(one)
    now += graceMs
    to.sweep()
    expect(log).toEqual([])
    now += 1
    to.sweep()
    expect(log).toEqual(['a1:engine_failed'])
  })

  test('waits as long as it may where another process is coming', () => {
    const coming = new FakeView('')
    coming.ready = false
    views.push(coming)
    const to = admission()
    to.submit(ticket('a1', { tried: new Set(['p0']), lost: lost() }))
    now += 20_000
    to.sweep()
    expect([log, to.queued]).toEqual([[], 1])
    now += 10_000
    to.sweep()
    expect(log).toEqual(['a1:engine_failed'])
  })

  test('waits for an engine that is down: it may come back as another process', () => {
    const to = admission()
    first().ready = false
    to.submit(ticket('a1', { tried: new Set(['p0']), lost: lost() }))
    now += 20_000
    to.sweep()
    expect([log, to.queued]).toEqual([[], 1])
  })

  test('is told so at once when its time was up anyway', () => {
    first().room = 0
    const to = admission()
    to.submit(ticket('a1', { tried: new Set(['p9']), lost: lost(), deadline: now - 1 }))
    expect(log).toEqual(['a1:engine_failed'])
  })
})

test('a place that fails while it is taken does not stall the others', () => {
  first().room = 0
  const to = admission()
  const failing = ticket('a1', {
    place: (view) => {
      log.push('a1 failed')
      first().inFlight -= 1
      to.pump()
      to.submit(ticket('a9', { tried: new Set([view.engineProcess]) }))
    },
  })
  to.submit(failing)
  to.submit(ticket('b1'))
  to.submit(ticket('c1'))
  first().room = 1
  to.pump()
  expect(log).toEqual(['a1 failed', 'b1@p0'])
  release(to)
  expect(log.at(-1)).toBe('c1@p0')
  expect(to.queued).toBe(1)
})
