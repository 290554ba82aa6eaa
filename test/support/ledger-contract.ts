import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Hold, Ledger, Line } from '../../src/ledger/types.ts'
import { released } from '../../src/ledger/released.ts'

export interface ContractStore {
  readonly ledger: Ledger
  /** Another client of the same store; the same one where a store has only one. */
  readonly other: Ledger
  readonly setNow: (nowMs: number) => void
}

const startMs = 1_800_000_000_000
const windowMs = 60_000

/** What every store promises. `open` is called once a test; each has keys of its own. */
export function ledgerContract(open: () => Promise<ContractStore>): void {
  const begin = async () => {
    const store = await open()
    store.setNow(startMs)
    const prefix = randomUUID()
    const key = (name: string): string => `${prefix}|${name}`
    const flow = (name: string, amount: number, cap?: number): Line => ({
      key: key(name),
      kind: 'Flow',
      class: 'Budget',
      amount,
      ...(cap === undefined ? {} : { cap }),
      endsAtMs: startMs + windowMs,
    })
    const lease = (name: string, cap: number): Line => ({
      key: key(name),
      kind: 'Lease',
      class: 'Rate',
      amount: 1,
      cap,
      endsAtMs: 0,
    })
    const hold = (...lines: readonly Line[]): Hold => ({
      id: randomUUID(),
      lines,
      expiresInMs: 10_000,
    })
    const read = async (name: string) => (await store.other.read([key(name)]))[0]
    return { ...store, flow, lease, hold, read }
  }

  test('all lines are taken, and settled at what was used', async () => {
    const { ledger, other, flow, lease, hold, read } = await begin()
    const taken = hold(flow('requests', 1, 2), flow('tokens', 100, 150), lease('streams', 1))
    expect(await ledger.try(taken)).toEqual({
      outcome: 'Granted',
      counters: [
        { committed: 0, held: 1 },
        { committed: 0, held: 100 },
        { committed: 0, held: 1 },
      ],
    })
    expect(await other.settle(taken.id, { used: [1, 40, 0], exactness: 'Exact' })).toBe('Settled')
    expect(await read('requests')).toEqual({ committed: 1, held: 0 })
    expect(await read('tokens')).toEqual({ committed: 40, held: 0 })
    expect(await read('streams')).toEqual({ committed: 0, held: 0 })
  })

  test('a refusal takes nothing, and names every short line and when it can fit', async () => {
    const { ledger, flow, lease, hold, read } = await begin()
    const first = hold(flow('requests', 1), flow('tokens', 60), flow('money', 60), lease('s', 1))
    await ledger.try(first)
    await ledger.settle(first.id, { used: [1, 60, 5], exactness: 'Exact' })
    const second = hold(flow('money', 60), lease('s', 1))
    await ledger.try(second)
    const answer = await ledger.try(
      hold(
        flow('requests', 1, 9),
        flow('tokens', 60, 100),
        flow('money', 60, 100),
        flow('input', 60, 50),
        lease('s', 1),
      ),
    )
    expect(answer.outcome).toBe('Refused')
    expect(answer).toMatchObject({
      short: [
        { committed: 60, held: 0, fits: 'AtWindowEnd', line: { endsAtMs: startMs + windowMs } },
        { committed: 5, held: 60, fits: 'WhenHoldsEnd', line: { cap: 100 } },
        { committed: 0, held: 0, fits: 'Never' },
        { committed: 0, held: 1, fits: 'WhenHoldsEnd' },
      ],
    })
    expect(await read('requests')).toEqual({ committed: 1, held: 0 })
    expect(await read('input')).toEqual({ committed: 0, held: 0 })
  })

  test('nothing fits under a cap of 0, and any number without a cap', async () => {
    const { ledger, flow, hold } = await begin()
    expect((await ledger.try(hold(flow('blocked', 1, 0)))).outcome).toBe('Refused')
    expect((await ledger.try(hold(flow('counted', 1_000_000)))).outcome).toBe('Granted')
  })

  test('a hold tried again while it lives is taken once', async () => {
    const { ledger, other, flow, hold } = await begin()
    const same = hold(flow('tokens', 60, 100))
    await ledger.try(same)
    expect(await other.try(same)).toEqual({
      outcome: 'Granted',
      counters: [{ committed: 0, held: 60 }],
    })
  })

  test('a settlement counts once', async () => {
    const { ledger, other, flow, hold, read } = await begin()
    const one = hold(flow('tokens', 60, 100))
    await ledger.try(one)
    const exact = { used: [30], exactness: 'Exact' } as const
    expect(await ledger.settle(one.id, exact)).toBe('Settled')
    expect(await other.settle(one.id, exact)).toBe('Ended')
    expect(await ledger.settle(one.id, released)).toBe('Ended')
    expect(await ledger.renew(one.id, { used: [50], expiresInMs: 1_000 })).toBe('Ended')
    expect(await ledger.settle('nobody', exact)).toBe('Forgotten')
    expect(await read('tokens')).toEqual({ committed: 30, held: 0 })
  })

  test.each([
    ['Exact', 20, 20],
    ['LowerBound', 20, 35],
    ['LowerBound', 45, 45],
    ['Unknown', 0, 60],
  ] as const)('%s %i after 35 were noted of 60: %i are booked', async (exactness, used, booked) => {
    const { ledger, flow, hold, read } = await begin()
    const one = hold(flow('tokens', 60, 100))
    await ledger.try(one)
    await ledger.renew(one.id, { used: [35], expiresInMs: 10_000 })
    await ledger.settle(one.id, { used: [used], exactness })
    expect(await read('tokens')).toEqual({ committed: booked, held: 0 })
  })

  test('a release refunds what was not used, and only that', async () => {
    const { ledger, flow, hold, read } = await begin()
    const [fresh, begun] = [hold(flow('tokens', 60, 200)), hold(flow('tokens', 60, 200))]
    await ledger.try(fresh)
    await ledger.try(begun)
    await ledger.renew(begun.id, { used: [7], expiresInMs: 10_000 })
    expect(await ledger.settle(fresh.id, released)).toBe('Settled')
    expect(await ledger.settle(begun.id, released)).toBe('Settled')
    expect(await read('tokens')).toEqual({ committed: 7, held: 0 })
  })

  test('a hold that nobody renews lapses at its last usage; a late settlement raises that, once', async () => {
    const { ledger, other, setNow, flow, lease, hold, read } = await begin()
    const one = hold(flow('tokens', 60, 100), lease('streams', 1))
    await ledger.try(one)
    setNow(startMs + 5_000)
    expect(await ledger.renew(one.id, { used: [20], expiresInMs: 10_000 })).toBe('Renewed')
    setNow(startMs + 14_999)
    expect(await read('tokens')).toEqual({ committed: 0, held: 60 })
    setNow(startMs + 15_000)
    expect(await read('tokens')).toEqual({ committed: 20, held: 0 })
    expect(await read('streams')).toEqual({ committed: 0, held: 0 })
    expect(await ledger.renew(one.id, { used: [25], expiresInMs: 10_000 })).toBe('Lapsed')
    expect(await other.settle(one.id, { used: [33], exactness: 'Exact' })).toBe('Corrected')
    expect(await read('tokens')).toEqual({ committed: 33, held: 0 })
    expect(await other.settle(one.id, { used: [50], exactness: 'Exact' })).toBe('Ended')
    expect(await read('tokens')).toEqual({ committed: 33, held: 0 })
  })

  test('whoever bills what a dead gateway left behind finds it, and takes it off the list', async () => {
    const { ledger, other, setNow, flow, lease, hold } = await begin()
    const note = `{"tenant":"o'neil \u{1f600}"}`
    const [first, second, settled] = [
      hold(flow('tokens', 60), lease('s', 9)),
      { ...hold(flow('tokens', 60)), expiresInMs: 10_001 },
      hold(flow('tokens', 60)),
    ]
    for (const one of [second, settled, first]) {
      await ledger.try(one)
    }
    await ledger.renew(first.id, { used: [10, 1], expiresInMs: 1, note: 'an older one' })
    await ledger.renew(first.id, { used: [20, 1], expiresInMs: 1, note })
    await ledger.renew(first.id, { used: [20, 1], expiresInMs: 1 })
    await ledger.settle(settled.id, { used: [1], exactness: 'Exact' })
    setNow(startMs + 15_000)
    const mine = async (ageMs: number) =>
      (await other.lapsed(ageMs)).filter(({ id }) => [first.id, second.id, settled.id].includes(id))
    expect(await mine(5_000)).toEqual([
      { id: first.id, note, used: [20, 0], lapsedAtMs: startMs + 10_000 },
    ])
    expect((await mine(0)).map(({ id }) => id)).toEqual([first.id, second.id])
    expect(await other.settle(first.id, released)).toBe('Corrected')
    expect((await mine(0)).map(({ id }) => id)).toEqual([second.id])
    setNow(startMs + 10_001 + 3_600_000)
    expect(await mine(0)).toEqual([])
  })

  test('a late settlement never lowers, and books no reserve', async () => {
    const { ledger, setNow, flow, hold, read } = await begin()
    const [exact, unknown] = [hold(flow('a', 60)), hold(flow('b', 60))]
    for (const one of [exact, unknown]) {
      await ledger.try(one)
      await ledger.renew(one.id, { used: [20], expiresInMs: 1 })
    }
    setNow(startMs + 10_000)
    await ledger.settle(exact.id, { used: [3], exactness: 'Exact' })
    await ledger.settle(unknown.id, { used: [], exactness: 'Unknown' })
    expect(await read('a')).toEqual({ committed: 20, held: 0 })
    expect(await read('b')).toEqual({ committed: 20, held: 0 })
  })

  test('use above the reserve is booked in full', async () => {
    const { ledger, flow, hold, read } = await begin()
    const one = hold(flow('tokens', 10, 100))
    await ledger.try(one)
    await ledger.renew(one.id, { used: [25], expiresInMs: 10_000 })
    expect(await read('tokens')).toEqual({ committed: 0, held: 25 })
    await ledger.settle(one.id, { used: [30], exactness: 'Exact' })
    expect(await read('tokens')).toEqual({ committed: 30, held: 0 })
  })

  test('a counter goes a minute after its window, and a line of such a window is refused as skew', async () => {
    const { ledger, setNow, flow, hold, read } = await begin()
    const one = hold(flow('tokens', 10, 100))
    await ledger.try(one)
    await ledger.settle(one.id, { used: [10], exactness: 'Exact' })
    setNow(startMs + windowMs + 59_999)
    expect(await read('tokens')).toEqual({ committed: 10, held: 0 })
    setNow(startMs + windowMs + 60_000)
    expect(await read('tokens')).toEqual({ committed: 0, held: 0 })
    await expect(ledger.try(hold(flow('tokens', 10, 100)))).rejects.toMatchObject({
      code: 'ClockSkew',
    })
  })

  test('numbers stay whole up to 2^53, and so do keys of any characters', async () => {
    const { ledger, flow, hold, read } = await begin()
    const most = Number.MAX_SAFE_INTEGER
    const one = hold(flow(`"it's" {a} \\ \u{1f600} %s $1 :x`, most - 1, most))
    await ledger.try(one)
    expect(await ledger.settle(one.id, { used: [most - 2], exactness: 'Exact' })).toBe('Settled')
    expect(await read(`"it's" {a} \\ \u{1f600} %s $1 :x`)).toEqual({ committed: most - 2, held: 0 })
    expect((await ledger.try(hold(flow(`"it's" {a} \\ \u{1f600} %s $1 :x`, 3)))).outcome).toBe(
      'Refused',
    )
  })

  test('200 at once on a budget with room for 17: exactly 17 get in', async () => {
    const { ledger, other, flow, lease, hold, read } = await begin()
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        (index % 2 === 0 ? ledger : other).try(
          hold(flow('requests', 1), flow('tokens', 30, 17 * 30 + 29), lease('streams', 190)),
        ),
      ),
    )
    expect(answers.filter(({ outcome }) => outcome === 'Granted')).toHaveLength(17)
    expect(await read('requests')).toEqual({ committed: 0, held: 17 })
    expect(await read('streams')).toEqual({ committed: 0, held: 17 })
  })

  test('a hold that no store takes is a bug', async () => {
    const { ledger, flow, hold } = await begin()
    for (const bad of [
      hold(flow('a', 1.5)),
      hold(flow('a', -1)),
      hold(flow('a', 2 ** 53)),
      hold(flow('a', 1), flow('a', 1)),
      { ...hold(flow('a', 1)), id: '' },
      { ...hold(flow('a', 1)), expiresInMs: 0 },
    ]) {
      await expect(ledger.try(bad)).rejects.toThrow(/hold|line/i)
    }
  })
}
