import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aLabRequest, QueueToy } from '../../../../test/support/queue-toy.ts'
import { Dlpm } from './dlpm.ts'
import { FairShareOrder } from './fair-share-order.ts'
import { FirstCome } from './first-come.ts'
import { SlackOrder } from './slack-order.ts'
import { TenantQueue } from './tenant-queue.ts'
import { Vtc } from './vtc.ts'

const adapters = [1, 2, 3].map((id) => ({ id, name: `a${id}`, path: '' }))

describe.each([
  ['fcfs', () => new FirstCome()],
  ['aibrix-slo', () => new SlackOrder(0.05)],
  ['vtc', () => new Vtc()],
  ['dlpm', () => new Dlpm({ quantum: 100 })],
  ['loraplex', () => new FairShareOrder()],
])('%s', (_name, orderOf) => {
  test('sends every request once, each line in the order it came, and leaves no place empty', () => {
    const arrivals = fc.array(
      fc.record({
        tenant: fc.constantFrom('a', 'b', 'c'),
        adapter: fc.constantFrom(undefined, ...adapters),
        input: fc.integer({ min: 1, max: 50 }),
        output: fc.integer({ min: 1, max: 30 }),
        gap: fc.integer({ min: 0, max: 5 }),
      }),
      { minLength: 1, maxLength: 60 },
    )
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 1, max: 4 }), (all, places) => {
        const toy = new QueueToy(orderOf(), places)
        for (const { gap, adapter, ...one } of all) {
          toy.ask(
            aLabRequest({ ...one, atMs: toy.nowMs, ...(adapter === undefined ? {} : { adapter }) }),
          )
          for (let step = 0; step < gap; step += 1) {
            toy.step()
          }
        }
        while (toy.queue.length > 0) {
          expect(toy.running.size).toBe(places)
          toy.step()
        }
        expect(new Set(toy.sent).size).toBe(all.length)
        const lines = Map.groupBy(toy.sent, ({ entry }) => `${entry.tenant}/${entry.adapter}`)
        for (const line of lines.values()) {
          const times = line.map(({ arrivedMs }) => arrivedMs)
          expect(times).toEqual(times.toSorted((left, right) => left - right))
        }
      }),
      { numRuns: 40 },
    )
  })
})

describe('a queue of tenants', () => {
  test('holds up no other line when the first of one finds no place', () => {
    const queue = new TenantQueue(new FirstCome())
    const [one, two] = adapters
    const first = aLabRequest({ tenant: 'a', atMs: 1, ...(one && { adapter: one }) })
    const second = aLabRequest({ tenant: 'b', atMs: 2, ...(two && { adapter: two }) })
    queue.arrive(first, () => false, 1)
    queue.arrive(second, () => false, 2)
    const offered: unknown[] = []
    queue.offer((request) => {
      offered.push(request)
      return request === second
    }, 3)
    expect(offered).toEqual([first, second])
    expect(queue.length).toBe(1)
    expect([...queue.lines()]).toEqual([[first]])
  })

  test('lets nobody overtake its own line', () => {
    const queue = new TenantQueue(new FirstCome())
    queue.arrive(aLabRequest({ tenant: 'a', atMs: 1 }), () => false, 1)
    queue.arrive(aLabRequest({ tenant: 'a', atMs: 2 }), () => true, 2)
    expect(queue.length).toBe(2)
  })

  test('lets a tenant’s lines take turns', () => {
    const toy = new QueueToy(new Vtc(), 1)
    const [one, two] = adapters
    for (const adapter of [one, one, one, two, two]) {
      toy.ask(aLabRequest({ atMs: 0, output: 2, ...(adapter && { adapter }) }))
    }
    for (let step = 0; step < 20; step += 1) {
      toy.step()
    }
    expect(toy.sent.map(({ adapter }) => adapter?.name)).toEqual(['a1', 'a1', 'a2', 'a1', 'a2'])
  })
})
