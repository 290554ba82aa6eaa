import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aLabRequest, QueueToy } from '../../../../test/support/queue-toy.ts'
import { Dlpm } from './dlpm.ts'
import { FairShareOrder } from './fair-share-order.ts'
import { FirstCome } from './first-come.ts'
import type { TenantOrder, WeightOf } from './tenant-order.ts'
import { Vtc } from './vtc.ts'

const longestInput = 40
const longestOutput = 60
const quantum = 200

interface Case {
  readonly weights: readonly number[]
  readonly places: number
  readonly sizes: readonly (readonly [input: number, output: number])[]
}

const cases = fc.record<Case>({
  weights: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 5 }),
  places: fc.integer({ min: 1, max: 8 }),
  sizes: fc.array(
    fc.tuple(fc.integer({ min: 1, max: longestInput }), fc.integer({ min: 1, max: longestOutput })),
    { minLength: 5, maxLength: 40 },
  ),
})

/** What two tenants that always had somebody waiting were served apart, by weight, at most. */
function greatestGap(
  { weights, places, sizes }: Case,
  orderOf: (w: WeightOf) => TenantOrder,
): number {
  const toy = new QueueToy(
    orderOf((tenant) => weights[Number(tenant)] ?? 1),
    places,
  )
  const asked = weights.map(() => 0)
  const waiting = weights.map(() => 0)
  let greatest = 0
  for (let step = 0; step < 600; step += 1) {
    for (const [tenant] of weights.entries()) {
      // Each comes with sizes of its own, the first with twice as many requests as the others.
      for (let count = waiting[tenant] ?? 0; count < (tenant === 0 ? 40 : 20); count += 1) {
        const at = (asked[tenant] ?? 0) + tenant * 3
        const [input, output] = sizes[at % sizes.length] ?? [1, 1]
        asked[tenant] = (asked[tenant] ?? 0) + 1
        waiting[tenant] = count + 1
        toy.ask(aLabRequest({ tenant: String(tenant), atMs: toy.nowMs, input, output }))
      }
    }
    toy.step()
    for (const { entry } of toy.sent.splice(0)) {
      waiting[Number(entry.tenant)] = (waiting[Number(entry.tenant)] ?? 0) - 1
    }
    const each = weights.map((weight, tenant) => (toy.served.get(String(tenant)) ?? 0) / weight)
    greatest = Math.max(greatest, Math.max(...each) - Math.min(...each))
  }
  return greatest
}

/** VTC, theorem 4.4: 2·max(w_p·L_input, w_q·M), M the tokens that may be in the batch. */
function vtcBound({ places }: Case): number {
  return 2 * Math.max(longestInput, 2 * places * (longestInput + longestOutput))
}

describe('tenants that always have somebody waiting', () => {
  test('are served within VTC’s bound of each other by VTC', () => {
    fc.assert(
      fc.property(cases, (one) => {
        expect(greatestGap(one, (weightOf) => new Vtc(weightOf))).toBeLessThanOrEqual(vtcBound(one))
      }),
      { numRuns: 15 },
    )
  })

  test('are served within the same bound by the gateway’s own counters', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const gap = greatestGap(one, (weightOf) => new FairShareOrder(weightOf))
        expect(gap).toBeLessThanOrEqual(vtcBound(one))
      }),
      { numRuns: 15 },
    )
  })

  test('are served within that bound and two quanta by DLPM', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const gap = greatestGap(one, (weightOf) => new Dlpm({ quantum, weightOf }))
        expect(gap).toBeLessThanOrEqual(vtcBound(one) + 2 * quantum)
      }),
      { numRuns: 15 },
    )
  })

  test('are served further and further apart by first come, first served', () => {
    const one: Case = { weights: [1, 1], places: 2, sizes: [[longestInput, 5]] }
    expect(greatestGap(one, () => new FirstCome())).toBeGreaterThan(2 * vtcBound(one))
  })
})

describe('one that comes back from idling', () => {
  test.each([
    ['vtc', () => new Vtc()],
    ['the gateway’s counters', () => new FairShareOrder()],
  ])('owns no more of the fleet than its share for long: %s', (_name, orderOf) => {
    const toy = new QueueToy(orderOf(), 4)
    const askFor = (tenant: string): void => {
      for (let at = 0; at < 4; at += 1) {
        toy.ask(aLabRequest({ tenant, atMs: toy.nowMs, input: 10, output: 20 }))
      }
    }
    for (let step = 0; step < 1000; step += 1) {
      askFor('steady')
      toy.step()
    }
    const before = toy.served.get('steady') ?? 0
    for (let step = 0; step < 600; step += 1) {
      askFor('steady')
      askFor('back')
      toy.step()
    }
    const steady = (toy.served.get('steady') ?? 0) - before
    // A few requests of 50 are kept for one that idled, no more: without a lift it would have all 600 steps.
    expect((toy.served.get('back') ?? 0) - steady).toBeLessThanOrEqual((16 + 2 * 5) * 50)
    expect(steady).toBeGreaterThan(0)
  })
})
