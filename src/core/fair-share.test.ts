import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FairShare, type Charge } from './fair-share.ts'

interface Running {
  readonly tenant: number
  readonly charge: Charge
  readonly output: number
  left: number
}

const name = (tenant: number): string => `t${tenant}`

/** A pool of some places, and tenants that want what a test says; time goes in tokens of each running answer. */
class Pool {
  readonly fair = new FairShare()
  readonly served: number[]
  readonly running: Running[] = []
  readonly #weights: readonly number[]
  readonly #places: number
  readonly #outputOf: (tenant: number) => number
  readonly waiting: number[]

  constructor(weights: readonly number[], places: number, outputOf: (tenant: number) => number) {
    this.#weights = weights
    this.#places = places
    this.#outputOf = outputOf
    this.served = weights.map(() => 0)
    this.waiting = weights.map(() => 0)
  }

  ask(tenant: number, count = 1): void {
    for (let at = 0; at < count; at += 1) {
      this.waiting[tenant] = (this.waiting[tenant] ?? 0) + 1
      this.fair.enter(name(tenant))
    }
  }

  /** Fills what is free; then one token for everybody. */
  step(): void {
    while (this.running.length < this.#places && this.#next() !== undefined) {
      const tenant = this.#next() ?? 0
      const charge = this.fair.begin(name(tenant), this.#weights[tenant] ?? 1, 10)
      this.fair.leave(name(tenant))
      this.waiting[tenant] = (this.waiting[tenant] ?? 1) - 1
      this.served[tenant] = (this.served[tenant] ?? 0) + 10
      const output = this.#outputOf(tenant)
      this.running.push({ tenant, charge, output, left: output })
    }
    for (const one of this.running) {
      one.left -= 1
      this.served[one.tenant] = (this.served[one.tenant] ?? 0) + 2
      this.fair.progress(one.charge, one.output - one.left)
    }
    for (const one of this.running.filter(({ left }) => left === 0)) {
      this.running.splice(this.running.indexOf(one), 1)
      this.fair.end(one.charge, { input: 10, output: one.output })
    }
  }

  #next(): number | undefined {
    const asking = this.waiting.flatMap((count, tenant) => (count > 0 ? [tenant] : []))
    return asking.toSorted(
      (left, right) => this.fair.turnOf(name(left)) - this.fair.turnOf(name(right)),
    )[0]
  }
}

const weights = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 2, maxLength: 6 })
const longest = 60

describe('tenants that always want more', () => {
  test('get tokens by weight, whatever the length of their answers, within a bound that does not grow', () => {
    fc.assert(
      fc.property(
        weights,
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.integer({ min: 1, max: longest }), { minLength: 6, maxLength: 60 }),
        (each, places, outputs) => {
          let at = 0
          const pool = new Pool(each, places, () => outputs[(at += 1) % outputs.length] ?? 1)
          const gapNow = (): number => {
            const virtual = each.map((weight, tenant) => (pool.served[tenant] ?? 0) / weight)
            return Math.max(...virtual) - Math.min(...virtual)
          }
          // As in VTC: two requests of the longest kind, here for each place, since the end of none is known.
          const bound = 2 * (places + 1) * (10 + 2 * longest)
          for (let step = 0; step < 1500; step += 1) {
            for (let tenant = 0; tenant < each.length; tenant += 1) {
              pool.ask(tenant, (pool.waiting[tenant] ?? 0) === 0 ? places : 0)
            }
            pool.step()
            expect(gapNow()).toBeLessThanOrEqual(bound)
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  test('are never made to wait by one that came back from idling', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 10, max: 400 }),
        fc.integer({ min: 10, max: 400 }),
        (places, busySteps, idleSteps) => {
          const pool = new Pool([1, 1], places, () => 20)
          let sinceBack = [0, 0]
          for (let step = 0; step < 2000; step += 1) {
            const isIdle = step % (busySteps + idleSteps) < idleSteps
            pool.ask(0, (pool.waiting[0] ?? 0) === 0 ? places : 0)
            pool.ask(1, !isIdle && (pool.waiting[1] ?? 0) === 0 ? places : 0)
            if (isIdle && pool.waiting[1] === 0) {
              sinceBack = [...pool.served]
            }
            pool.step()
            const [steady = 0, onAndOff = 0] = pool.served.map(
              (tokens, tenant) => tokens - (sinceBack[tenant] ?? 0),
            )
            // What it did not take while it was idle is not owed to it, but for a few requests of 50.
            expect(onAndOff - steady).toBeLessThanOrEqual((2 * (places + 1) + 16) * 50)
          }
        },
      ),
      { numRuns: 40 },
    )
  })
})

describe('a counter', () => {
  test('is corrected by what the engine counted, and grows while an answer does', () => {
    const fair = new FairShare()
    const charge = fair.begin('a', 2, 100)
    expect(fair.turnOf('a')).toBe(50)
    expect(fair.progress(charge, 30)).toBe(30)
    expect(fair.progress(charge, 20)).toBe(0)
    expect(fair.end(charge, { input: 60, output: 40 })).toBe(-10)
    expect(fair.turnOf('a')).toBe(70)
  })

  test('is charged for what a tenant’s answers have had of late', () => {
    const fair = new FairShare()
    for (let at = 0; at < 50; at += 1) {
      fair.end(fair.begin('a', 1, 10), { input: 10, output: 100 })
    }
    expect(fair.costOf('a', 1, 10)).toBeCloseTo(210, 0)
    expect(fair.begin('a', 4, 10).amount).toBeCloseTo(52.5, 0)
  })

  test('keeps the input of an answer that the engine did not count', () => {
    const fair = new FairShare()
    fair.end(fair.begin('a', 1, 10), { input: 10, output: 1000 })
    const before = fair.turnOf('a')
    fair.end(fair.begin('a', 1, 10), undefined)
    expect(fair.turnOf('a')).toBe(before + 10)
  })

  test('of one that waited for an adapter is not so far behind that it has the pool alone', () => {
    const fair = new FairShare()
    fair.enter('waits')
    for (let at = 0; at < 100; at += 1) {
      fair.end(fair.begin('busy', 1, 10_000), { input: 10_000, output: 0 })
    }
    fair.begin('waits', 1, 0)
    expect(fair.turnOf('busy') - fair.turnOf('waits')).toBeLessThanOrEqual(50_000)
  })

  test('moves with what other gateways served, and newcomers begin where those are', () => {
    const [here, there] = [new FairShare(), new FairShare()]
    const charge = there.begin('a', 1, 500)
    there.begin('a', 1, 500)
    here.learn({ served: { a: charge.amount, b: 10 }, turns: {}, now: there.now }, 0)
    here.enter('c')
    expect([here.turnOf('a'), here.turnOf('b'), here.turnOf('c')]).toEqual([1000, 510, 500])
  })

  test('comes together with those of the other gateways', () => {
    const fair = new FairShare()
    fair.enter('ahead')
    fair.enter('behind')
    const turns = { ahead: -500, behind: 500, gone: 9 }
    for (let second = 0; second < 40; second += 1) {
      fair.learn({ served: {}, turns, now: 0 }, 1000 * second)
      // Theirs lack what is on its way to them: with each answer, that would be taken away here.
      fair.learn({ served: {}, turns: { ahead: 9000 }, now: 0 }, 1000 * second + 999)
    }
    expect(fair.turnOf('ahead')).toBeCloseTo(-500, -1)
    expect(fair.turnOf('behind')).toBeCloseTo(500, -1)
  })

  test('of an idle tenant is forgotten once it would begin there anyway', () => {
    const fair = new FairShare()
    for (let at = 0; at < 1000; at += 1) {
      fair.end(fair.begin(`t${at}`, 1, 10), { input: 10, output: 0 })
    }
    for (let at = 0; at < 20; at += 1) {
      fair.end(fair.begin('busy', 1, 1000), { input: 1000, output: 0 })
    }
    fair.begin('busy', 1, 10)
    fair.tidy()
    expect(fair.size).toBe(1)
  })
})
