import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { FakeView } from '../../../test/support/fake-view.ts'
import { PoolAdmission } from './admission.ts'
import type { Ticket } from './ticket.ts'
import { defaultAdmissionLimits } from './queue-bounds.ts'
import type { Placement, ReplicaView } from '../replica-view.ts'

test('whatever happens, every ticket ends once, nothing goes where it may not, and the count is right', () => {
  const event = fc.oneof(
    fc.record({
      do: fc.constant('submit' as const),
      revision: fc.constantFrom('a', 'b', 'base'),
      wait: fc.integer({ min: 0, max: 400 }),
      tried: fc.boolean(),
    }),
    fc.record({ do: fc.constant('withdraw' as const), which: fc.nat() }),
    fc.record({ do: fc.constant('release' as const), view: fc.nat({ max: 1 }) }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 200 }) }),
    fc.record({
      do: fc.constant('change' as const),
      view: fc.nat({ max: 1 }),
      revision: fc.constantFrom('a', 'b', ''),
      placement: fc.constantFrom<Placement>('Now', 'NeedsSlot', 'NotRoutable'),
      room: fc.nat({ max: 3 }),
      ready: fc.boolean(),
    }),
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      let now = 0
      const views = [new FakeView('p0'), new FakeView('p1')]
      const to = new PoolAdmission(
        () => [...views] as unknown as ReplicaView[],
        { ...defaultAdmissionLimits, maxQueued: 6 },
        () => now,
      )
      const ends = new Map<Ticket, string>()
      const tickets: Ticket[] = []
      const end = (one: Ticket, how: string): void => {
        expect(ends.has(one)).toBe(false)
        ends.set(one, how)
      }
      for (const step of events) {
        switch (step.do) {
          case 'submit': {
            const tried = new Set(step.tried ? ['p0'] : [])
            const one: Ticket = {
              revision: step.revision === 'base' ? undefined : step.revision,
              tenant: 'acme',
              weight: 1,
              sizeBytes: 100,
              isStreamed: true,
              cameAt: now,
              deadline: now + step.wait,
              coldStart: undefined,
              tried,
              lost: undefined,
              isOnTrial: false,
              place: (view) => {
                const fake = views.find((other) => other.engineProcess === view.engineProcess)
                expect(tried.has(view.engineProcess)).toBe(false)
                expect(fake?.inFlight).toBeLessThanOrEqual(fake?.room ?? 0)
                end(one, 'placed')
              },
              refuse: () => end(one, 'refused'),
            }
            tickets.push(one)
            to.submit(one)
            break
          }
          case 'withdraw': {
            const one = tickets[step.which % Math.max(1, tickets.length)]
            if (one !== undefined && to.withdraw(one)) {
              end(one, 'withdrawn')
            }
            break
          }
          case 'release': {
            const view = views[step.view]
            if (view !== undefined && view.inFlight > 0) {
              view.inFlight -= 1
              to.pump()
            }
            break
          }
          case 'pass':
            now += step.ms
            to.sweep()
            break
          case 'change': {
            const view = views[step.view]
            view?.placements.set(step.revision, step.placement)
            Object.assign(view ?? {}, { room: step.room, ready: step.ready })
            to.pump()
            break
          }
          default:
            step satisfies never
        }
        expect(to.queued).toBe(tickets.length - ends.size)
        expect(to.queued).toBeLessThanOrEqual(6)
      }
      now += 100_000
      to.sweep()
      expect(to.queued).toBe(0)
      expect(ends.size).toBe(tickets.length)
    }),
  )
})
