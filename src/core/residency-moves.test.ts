import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { randomFrom } from '../../test/support/random-from.ts'
import type { KeptCopies, ResidencyAsk, ResidencyHost } from './residency-ask.ts'
import { leaseMs, type StepCosts } from './residency-lines.ts'
import { planMoves } from './residency-moves.ts'

const ask = (revision: string, more: Partial<ResidencyAsk> = {}): ResidencyAsk => ({
  revision,
  least: 1,
  most: 100,
  rate: 0,
  open: 0,
  ...more,
})

/** A pool whose replicas have at once what they are told, and keep the rest while there is room. */
class Pool {
  hosts: readonly (ResidencyHost & { readonly has: Set<string> })[]
  copies: KeptCopies = new Map()
  short: ReadonlySet<string> = new Set()
  onDisk: ReadonlyMap<string, readonly string[]> = new Map()
  nowMs = 0
  costs: StepCosts | undefined
  isDemandKnown = true
  /** By replica, of the last plan. */
  loads = new Map<string, number>()
  loaded = 0

  constructor(replicas: number, capacity: number) {
    this.hosts = Array.from({ length: replicas }, (_, at) => newHost(`r${at}`, capacity))
  }

  plan(asks: readonly ResidencyAsk[], afterMs = 5000): void {
    this.nowMs += afterMs
    const { hosts, nowMs } = this
    const before = new Map(hosts.map((host) => [host.name, new Set(host.has)]))
    const moves = planMoves({
      asks,
      hosts,
      previous: this.copies,
      nowMs,
      isDemandKnown: this.isDemandKnown,
      residenceSeconds: 5,
      costs: this.costs,
    })
    Object.assign(this, moves)
    this.loads = new Map()
    for (const host of hosts) {
      const wanted = asks
        .map(({ revision }) => revision)
        .filter((revision) => this.hostsOf(revision).includes(host.name))
      for (const revision of wanted) {
        host.has.add(revision)
      }
      for (const revision of [...host.has].filter((one) => !wanted.includes(one))) {
        if (host.has.size > host.capacity) {
          host.has.delete(revision)
        }
      }
      const news = [...host.has].filter((one) => before.get(host.name)?.has(one) !== true)
      this.loads.set(host.name, news.length)
      this.loaded += news.length
    }
  }

  hostsOf(revision: string): readonly string[] {
    return (this.copies.get(revision) ?? []).map(({ replica }) => replica)
  }

  countOn(replica: string): number {
    return [...this.copies.values()].filter((kept) => kept.some((one) => one.replica === replica))
      .length
  }

  leave(name: string): void {
    this.hosts = this.hosts.map((host) =>
      host.name === name ? { ...host, isLeaving: true } : host,
    )
  }
}

function newHost(name: string, capacity: number) {
  const has = new Set<string>()
  return { name, isLeaving: false, capacity, has, holds: (revision: string) => has.has(revision) }
}

const names = (count: number, of = 'a'): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${of}${at}`)

describe('where adapters are kept loaded when they do not all fit everywhere', () => {
  test('each has what is promised, within every host cache', () => {
    const pool = new Pool(4, 20)
    const asks = names(70).map((name) => ask(name))
    pool.plan(asks)
    expect(asks.every(({ revision }) => pool.hostsOf(revision).length === 1)).toBe(true)
    expect(pool.short.size).toBe(0)
    pool.hosts.forEach(({ name }) => expect(pool.countOn(name)).toBeLessThanOrEqual(20))
  })

  test('room for cold calls is left on all replicas before it is used up on one', () => {
    const pool = new Pool(4, 20)
    pool.plan(names(60).map((name) => ask(name)))
    expect(pool.hosts.map(({ name }) => pool.countOn(name))).toEqual([15, 15, 15, 15])
  })

  test('what finds no place is said, and those that have one keep it', () => {
    const pool = new Pool(2, 10)
    const first = names(20).map((name) => ask(name))
    pool.plan(first)
    const asks = [...first, ask('late', { rate: 100, open: 50 })]
    pool.plan(asks)
    expect([...pool.short]).toEqual(['late'])
    expect(first.every(({ revision }) => pool.hostsOf(revision).length === 1)).toBe(true)
    expect(pool.onDisk.get('late')).toHaveLength(2)
  })

  test('nobody asks for it and nothing is promised: it is not kept', () => {
    const pool = new Pool(2, 10)
    pool.plan([ask('a', { least: 0 })])
    expect(pool.hostsOf('a')).toEqual([])
  })

  test('how many copies there are hangs on what adapters cost there, once that is known', () => {
    const copiesAt = (costs: StepCosts | undefined): number => {
      const pool = new Pool(8, 100)
      pool.costs = costs
      const asks = names(60).map((name, at) => ask(name, { rate: 20 / (at + 1), open: 100 }))
      for (let at = 0; at < 30; at += 1) {
        pool.plan(asks)
      }
      return [...pool.copies.values()].reduce((sum, { length }) => sum + length, 0)
    }
    const asPublished = copiesAt(undefined)
    expect(copiesAt({ perRequestMs: 1.09, perAdapterMs: 4.63 })).toBe(asPublished)
    expect(copiesAt({ perRequestMs: 0.109, perAdapterMs: 0.02 })).toBeGreaterThan(asPublished)
    expect(copiesAt({ perRequestMs: 0, perAdapterMs: 0 })).toBe(asPublished)
    // As if requests cost nothing: a hot adapter has more than one replica nevertheless.
    expect(copiesAt({ perRequestMs: 0, perAdapterMs: 0.5 })).toBeGreaterThan(60)
  })

  test('more demand is more copies, and never more than allowed or than requests at once', () => {
    const pool = new Pool(8, 100)
    const rest = names(60).map((name) => ask(name, { rate: 0.1, open: 0.5 }))
    const hot = [
      ask('hot', { rate: 20, open: 100 }),
      ask('bounded', { rate: 20, open: 100, most: 2 }),
    ]
    for (let at = 0; at < 30; at += 1) {
      pool.plan([...hot, ...rest])
    }
    expect(pool.hostsOf('hot').length).toBeGreaterThan(3)
    expect(pool.hostsOf('bounded')).toHaveLength(2)
    expect(rest.every(({ revision }) => pool.hostsOf(revision).length === 1)).toBe(true)
    const alone = new Pool(8, 100)
    alone.plan([ask('alone', { rate: 0.05, open: 0.2 })])
    expect(alone.hostsOf('alone')).toHaveLength(1)
  })

  test('a copy that is not needed any more stays for its lease, and no longer', () => {
    const pool = new Pool(8, 100)
    const rest = names(60).map((name) => ask(name, { rate: 0.1, open: 0.5 }))
    pool.plan([ask('hot', { rate: 20, open: 100 }), ...rest])
    const copies = pool.hostsOf('hot').length
    expect(copies).toBeGreaterThan(3)
    const cold = [ask('hot'), ...rest]
    pool.plan(cold, leaseMs - 1)
    expect(pool.hostsOf('hot')).toHaveLength(copies)
    pool.plan(cold, 1)
    expect(pool.hostsOf('hot')).toHaveLength(1)
  })

  test('loads by demand are one a second and replica; what is promised comes at once', () => {
    const pool = new Pool(4, 100)
    pool.plan(names(40).map((name) => ask(name)))
    expect(pool.loaded).toBe(40)
    const asked = names(60, 'b').map((name) => ask(name, { least: 0, rate: 1, open: 5 }))
    pool.plan([...names(40).map((name) => ask(name)), ...asked])
    pool.hosts.forEach(({ name }) => expect(pool.loads.get(name)).toBeLessThanOrEqual(5))
    for (let at = 0; at < 10; at += 1) {
      pool.plan([...names(40).map((name) => ask(name)), ...asked])
      pool.hosts.forEach(({ name }) => expect(pool.loads.get(name)).toBeLessThanOrEqual(5))
    }
    expect(asked.every(({ revision }) => pool.hostsOf(revision).length > 0)).toBe(true)
  })

  /** 160 adapters that are all asked for alike, seventy of them on the first of four replicas. */
  function uneven(): { readonly pool: Pool; readonly asks: readonly ResidencyAsk[] } {
    const pool = new Pool(4, 100)
    const counts = [70, 30, 30, 30]
    const hosts = counts.flatMap((count, at) =>
      Array.from({ length: count }, () => pool.hosts[at]!),
    )
    const asks = names(160).map((name) => ask(name, { rate: 1, open: 5 }))
    for (const [at, host] of hosts.entries()) {
      host.has.add(`a${at}`)
    }
    pool.copies = new Map(
      hosts.map((host, at) => [`a${at}`, [{ replica: host.name, neededAtMs: -leaseMs }]]),
    )
    return { pool, asks }
  }
  const most = (pool: Pool): number => Math.max(...pool.hosts.map(({ name }) => pool.countOn(name)))

  test('where one has far more to do, others take of it, few at a time, promised or not', () => {
    const { pool, asks } = uneven()
    for (let at = 0; at < 30; at += 1) {
      pool.plan(asks)
      pool.hosts.forEach(({ name }) => expect(pool.loads.get(name)).toBeLessThanOrEqual(5))
    }
    expect(pool.loaded).toBeGreaterThan(0)
    expect(most(pool)).toBeLessThanOrEqual(52)
  })

  test('but not before enough was seen of demand', () => {
    const { pool, asks } = uneven()
    pool.isDemandKnown = false
    for (let at = 0; at < 30; at += 1) {
      pool.plan(asks)
    }
    expect([pool.loaded, most(pool)]).toEqual([0, 70])
  })

  test('further copies give way to what is promised', () => {
    const pool = new Pool(4, 8)
    const asked = names(16).map((name, at) =>
      at < 3 ? ask(name, { rate: 20, open: 100 }) : ask(name, { rate: 0.2, open: 1 }),
    )
    for (let at = 0; at < 20; at += 1) {
      pool.plan(asked)
    }
    expect([...pool.copies.values()].flat().length).toBeGreaterThan(16)
    const all = [...asked, ...names(16, 'b').map((name) => ask(name))]
    for (let at = 0; at < 30; at += 1) {
      pool.plan(all)
    }
    expect([...pool.short]).toEqual([])
  })

  test('steady demand, a little noisy, moves nothing', () => {
    const pool = new Pool(8, 60)
    const random = randomFrom(7)
    const asks = () =>
      names(200).map((name, at) => {
        const rate = (10 / (at + 1)) * (0.7 + random() * 0.6)
        return ask(name, { rate, open: rate * 5 })
      })
    for (let at = 0; at < 24; at += 1) {
      pool.plan(asks())
    }
    const settled = pool.loaded
    for (let at = 0; at < 120; at += 1) {
      pool.plan(asks())
    }
    // Ten minutes.
    expect(pool.loaded - settled).toBe(0)
  })

  test('a replica whose copies are little asked for is no reason to move those of others', () => {
    const pool = new Pool(4, 40)
    const asks = names(80).map((name, at) => {
      const rate = at < 60 ? 1 : 0.2
      return ask(name, { rate, open: rate * 5 })
    })
    for (const [at, { revision }] of asks.entries()) {
      pool.hosts[Math.floor(at / 20)]?.has.add(revision)
    }
    for (let at = 0; at < 40; at += 1) {
      pool.plan(asks)
    }
    expect(pool.loaded).toBe(0)
  })

  test('replicas that have just come get their share of what is asked for', () => {
    const pool = new Pool(4, 60)
    const asks = names(120).map((name) => ask(name, { rate: 1, open: 2 }))
    for (let at = 0; at < 20; at += 1) {
      pool.plan(asks)
    }
    pool.hosts = [...pool.hosts, newHost('r4', 60), newHost('r5', 60)]
    for (let at = 0; at < 40; at += 1) {
      pool.plan(asks)
    }
    expect(pool.countOn('r4')).toBeGreaterThan(10)
    expect(pool.countOn('r5')).toBeGreaterThan(10)
    const settled = pool.loaded
    for (let at = 0; at < 40; at += 1) {
      pool.plan(asks)
    }
    expect(pool.loaded).toBe(settled)
  })

  test('when a pool outgrows its replicas, not all stays on the first of them', () => {
    const pool = new Pool(4, 40)
    const asks = names(60).map((name) => ask(name, { most: 4, rate: 1, open: 1 }))
    for (const host of pool.hosts) {
      asks.slice(0, 40).forEach(({ revision }) => host.has.add(revision))
    }
    for (let at = 0; at < 40; at += 1) {
      pool.plan(asks)
    }
    const counts = pool.hosts.map(({ name }) => pool.countOn(name))
    expect(Math.max(...counts)).toBeLessThanOrEqual(1.5 * Math.min(...counts))
  })

  test('a replica that has too many gives some to the others, the least asked for, and those come to rest', () => {
    const pool = new Pool(4, 40)
    const asks = names(80).map((name, at) => ask(name, { rate: 4 - at / 40, open: 1 }))
    const [full] = pool.hosts
    for (const { revision } of asks.slice(0, 40)) {
      full?.has.add(revision)
    }
    for (let at = 0; at < 40; at += 1) {
      pool.plan(asks)
    }
    expect(pool.countOn('r0')).toBeLessThanOrEqual(35)
    const settled = pool.loaded
    for (let at = 0; at < 40; at += 1) {
      pool.plan(asks)
    }
    expect(pool.loaded).toBe(settled)
    expect(asks.every(({ revision }) => pool.hostsOf(revision).length > 0)).toBe(true)
  })

  test('the next controller finds the plan in what replicas have', () => {
    const pool = new Pool(6, 40)
    const asks = names(150).map((name, at) =>
      ask(name, { rate: at < 20 ? 2 : 0, open: at < 20 ? 10 : 0 }),
    )
    for (let at = 0; at < 20; at += 1) {
      pool.plan(asks)
    }
    const before = pool.loaded
    pool.copies = new Map()
    // It does not know yet what is asked.
    pool.plan(asks.map(({ revision }) => ask(revision)))
    for (let at = 0; at < 20; at += 1) {
      pool.plan(asks)
    }
    expect(pool.loaded).toBe(before)
  })

  test('what only a leaving replica has is loaded elsewhere, and stays with it until it goes', () => {
    const pool = new Pool(3, 30)
    const asks = names(40).map((name) => ask(name, { rate: 0.1, open: 0.5 }))
    pool.plan(asks)
    const sole = asks.filter(({ revision }) => pool.hostsOf(revision).join() === 'r1')
    expect(sole.length).toBeGreaterThan(5)
    pool.leave('r1')
    pool.plan(asks)
    for (const { revision } of sole) {
      expect(pool.hostsOf(revision)).toContain('r1')
      expect(pool.hosts.some(({ isLeaving, has }) => !isLeaving && has.has(revision))).toBe(true)
    }
  })

  test('with the most copies it has it does not move, a move would be one too many', () => {
    const pool = new Pool(4, 30)
    const asks = names(60).map((name, at) => ask(name, { most: 1, rate: 60 / (at + 1), open: 5 }))
    pool.plan(asks)
    const before = asks.map(({ revision }) => pool.hostsOf(revision).join())
    pool.plan(asks.toReversed().map((one, at) => ({ ...one, rate: 60 / (at + 1) })))
    expect(asks.map(({ revision }) => pool.hostsOf(revision).join())).toEqual(before)
  })

  test('whatever is asked: no host cache overflows, no copy above the most, no last copy lost', () => {
    const step = fc.record({
      asks: fc.array(
        fc.record({
          least: fc.nat({ max: 2 }),
          extra: fc.nat({ max: 3 }),
          rate: fc.constantFrom(0, 0, 0.1, 5),
        }),
        { minLength: 24, maxLength: 24 },
      ),
      afterMs: fc.constantFrom(5000, 61_000),
    })
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 4, max: 30 }),
        (steps, capacity) => {
          const pool = new Pool(4, capacity)
          for (const { asks, afterMs } of steps) {
            const held = new Map(
              names(24).map((name) => [name, pool.hosts.filter(({ has }) => has.has(name)).length]),
            )
            const kept = new Map(names(24).map((name) => [name, pool.hostsOf(name).length]))
            const present = asks.map(({ least, extra, rate }, at) =>
              ask(`a${at}`, { least, most: Math.max(1, least + extra), rate, open: rate }),
            )
            pool.plan(present, afterMs)
            for (const { name } of pool.hosts) {
              expect(pool.countOn(name)).toBeLessThanOrEqual(capacity)
            }
            for (const { revision, least, most, rate } of present) {
              expect(pool.hostsOf(revision).length).toBeLessThanOrEqual(most)
              if ((least > 0 || rate > 0) && (kept.get(revision) ?? 0) > 0 && held.get(revision)) {
                expect(pool.hostsOf(revision).length).toBeGreaterThan(0)
              }
            }
          }
        },
      ),
    )
  })
})
