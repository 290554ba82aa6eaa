import { beforeEach, describe, expect, test } from 'vitest'
import { aTicket, anAdmission } from '../../../test/support/an-admission.ts'
import { FakeView, firstOf } from '../../../test/support/fake-view.ts'
import type { LoraplexError } from '../../errors.ts'
import type { PoolAdmission } from './admission.ts'
import type { Ticket } from './ticket.ts'

let views: FakeView[] = []
/** What was refused, in order: `a1:overloaded`. */
let refused: string[] = []
let lastError: LoraplexError | undefined

beforeEach(() => {
  views = [new FakeView('p0')]
  refused = []
})

const first = (): FakeView => firstOf(views)

const admission = (): PoolAdmission =>
  anAdmission(
    () => views,
    () => 1000,
  )

function ticket(name: string): Ticket {
  return aTicket(name, {
    cameAt: 1000,
    place: () => undefined,
    refuse: (error) => {
      lastError = error
      refused.push(`${name}:${error.code}`)
    },
  })
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('what a line lacks is asked for', () => {
  const wanted = () => views.map((view) => view.wanted)

  function twoWithoutSlots(...freeSlots: readonly [number, number]): void {
    views = freeSlots.map((free, at) => Object.assign(new FakeView(`p${at}`), { freeSlots: free }))
    views.forEach((view) => view.placements.set('a', 'NeedsSlot'))
  }

  test('a slot, on the replica with least to do, and no longer than somebody waits', () => {
    twoWithoutSlots(8, 8)
    first().inFlight = 1
    const to = admission()
    const one = ticket('a1')
    to.submit(one)
    expect(wanted()).toEqual([[], ['a']])
    to.withdraw(one)
    expect(wanted()).toEqual([[], []])
  })

  test('a slot, of replicas with equally little to do on the one with more that are free', () => {
    twoWithoutSlots(1, 8)
    admission().submit(ticket('a1'))
    expect(wanted()).toEqual([[], ['a']])
  })

  test('a slot, at one place at a time: the next one is where it is to be had sooner', () => {
    twoWithoutSlots(0, 0)
    const to = admission()
    to.submit(ticket('a1'))
    first().inFlight = 5
    to.sweep()
    expect(wanted()).toEqual([['a'], []])
    Object.assign(views[1] ?? {}, { keptSlots: 1 })
    to.sweep()
    expect(wanted()).toEqual([[], ['a']])
  })

  test('the adapter itself, once while the agent is thinking, and again at the next sweep', async () => {
    first().placements.set('a', 'NotRoutable')
    const to = admission()
    to.submit(ticket('a1'))
    to.submit(ticket('a2'))
    to.pump()
    expect(first().ensured).toEqual(['a'])
    await settled()
    to.sweep()
    expect(first().ensured).toEqual(['a', 'a'])
    expect([...to.waitingForLoads()]).toEqual([['a', 2]])
  })

  test('not the adapter where it is only full', () => {
    first().room = 0
    const to = admission()
    to.submit(ticket('a1'))
    expect(first().ensured).toEqual([])
    expect([[...to.waitingForLoads()], [...to.waiting()]]).toEqual([[], [['a', 1]]])
  })

  test('nothing for the base', () => {
    first().room = 0
    const to = admission()
    to.submit(ticket('base1'))
    expect([first().ensured, first().wanted]).toEqual([[], []])
  })

  test('an adapter that cannot be is refused for the whole line', async () => {
    first().placements.set('a', 'NotRoutable')
    first().ensureAnswers = () =>
      Promise.resolve({ state: 'Failed', reason: 'NoEffect', message: 'does nothing' })
    const to = admission()
    to.submit(ticket('a1'))
    to.submit(ticket('a2'))
    await settled()
    expect(refused).toEqual(['a1:adapter_failed', 'a2:adapter_failed'])
    expect(lastError?.message).toContain('does nothing')
    expect(to.queued).toBe(0)
  })

  test('an adapter for which one replica has no room is loaded by another; where none has, it is refused', async () => {
    twoWithoutSlots(0, 0)
    for (const view of views) {
      view.placements.set('a', 'NotRoutable')
    }
    const full = { state: 'Failed', reason: 'HostCacheFull', message: 'full' } as const
    first().ensureAnswers = () => Promise.resolve(full)
    const to = admission()
    to.submit(ticket('a1'))
    await settled()
    expect(views.map((view) => view.ensured)).toEqual([['a'], ['a']])
    expect(to.queued).toBe(1)
    Object.assign(views[1] ?? {}, { ensureAnswers: () => Promise.resolve(full) })
    to.sweep()
    await settled()
    expect(refused).toEqual(['a1:adapter_failed'])
  })

  test('one that has come to be elsewhere meanwhile is not refused', async () => {
    twoWithoutSlots(1, 1)
    first().placements.set('a', 'NotRoutable')
    views[1]?.placements.set('a', 'NotRoutable')
    first().ensureAnswers = () => {
      views[1]?.placements.set('a', 'NeedsSlot')
      return Promise.resolve({ state: 'Failed', reason: 'HostCacheFull', message: 'full' })
    }
    const to = admission()
    to.submit(ticket('a1'))
    await settled()
    expect([to.queued, refused, views[1]?.wanted]).toEqual([1, [], ['a']])
  })

  test('an agent that cannot be reached is asked again', async () => {
    first().placements.set('a', 'NotRoutable')
    first().ensureAnswers = () => Promise.reject(new Error('gone'))
    const to = admission()
    to.submit(ticket('a1'))
    await settled()
    to.sweep()
    expect(first().ensured).toEqual(['a', 'a'])
    expect(to.queued).toBe(1)
  })
})
