import { beforeEach, describe, expect, test } from 'vitest'
import { aTicket, anAdmission } from '../../../test/support/an-admission.ts'
import { FakeView } from '../../../test/support/fake-view.ts'
import { LoraplexError } from '../../errors.ts'
import type { PoolAdmission } from './admission.ts'
import type { Ticket } from './ticket.ts'

let now = 0
let views: FakeView[] = []
/** What became of tickets, in order: `a1@p0`, or `a1:overloaded`. */
let log: string[] = []

beforeEach(() => {
  now = 1000
  views = []
  log = []
})

const admission = (): PoolAdmission =>
  anAdmission(
    () => views,
    () => now,
  )

/** A request of a pool that takes up to ten minutes to start. */
function ticket(name: string, cameCold: boolean, lost?: Ticket['lost']): Ticket {
  return aTicket('a', {
    cameAt: now,
    coldStart: { deadline: now + 600_000, queueMs: 30_000, cameCold },
    lost,
    place: (view) => log.push(`${name}@${view.engineProcess}`),
    refuse: ({ code }) => log.push(`${name}:${code}`),
  })
}

function aView(name: string, state: 'Full' | 'Starting'): FakeView {
  const view = new FakeView(name)
  view.room = 0
  view.ready = state === 'Full'
  views.push(view)
  return view
}

describe('the wait for a first replica', () => {
  test('lasts as long as a start may, and then ends', () => {
    const to = admission()
    to.submit(ticket('a1', true))
    now += 599_999
    to.sweep()
    expect(log).toEqual([])
    now += 1
    to.sweep()
    expect(log).toEqual(['a1:no_replica'])
  })

  test('becomes that of a queue when there is one', () => {
    const to = admission()
    to.submit(ticket('a1', true))
    now += 240_000
    aView('p0', 'Full')
    to.sweep()
    now += 29_999
    to.sweep()
    expect(log).toEqual([])
    now += 1
    to.sweep()
    expect(log).toEqual(['a1:overloaded'])
  })

  test('goes on for those who came to none while another is on its way', () => {
    const to = admission()
    to.submit(ticket('a1', true))
    aView('p0', 'Full')
    const other = aView('p1', 'Starting')
    to.sweep()
    to.submit(ticket('a2', false))
    now += 30_000
    to.sweep()
    expect(log).toEqual(['a2:overloaded'])
    other.ready = true
    other.room = 1
    to.pump()
    expect(log).toEqual(['a2:overloaded', 'a1@p1'])
  })

  test('is no longer than a queue for whom an engine lost', () => {
    aView('p0', 'Starting')
    const to = admission()
    const error = new LoraplexError('engine_failed', 'gone')
    to.submit(ticket('a1', true, { error, fate: 'Unknown', at: now }))
    now += 29_999
    to.sweep()
    expect(log).toEqual([])
    now += 1
    to.sweep()
    expect(log).toEqual(['a1:engine_failed'])
  })
})
