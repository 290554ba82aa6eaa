import { expect, test } from 'vitest'
import { defaultGuard, GuardedLedger, type AwayMode } from './guarded-ledger.ts'
import { LedgerError } from './ledger-error.ts'
import { MemoryLedger } from './memory-ledger.ts'
import type { Hold, Ledger, Line, LineClass } from './types.ts'
import { released } from './released.ts'

/** A memory ledger behind a line that can be cut, or go silent. */
class DistantLedger extends MemoryLedger implements Ledger {
  link: 'Up' | 'Cut' | 'Silent' = 'Up'
  calls = 0

  override async try(hold: Hold) {
    await this.#reach()
    return super.try(hold)
  }

  override async settle(...args: Parameters<Ledger['settle']>) {
    await this.#reach()
    return super.settle(...args)
  }

  override async read(keys: readonly string[]) {
    await this.#reach()
    return super.read(keys)
  }

  async #reach(): Promise<void> {
    this.calls += 1
    if (this.link === 'Silent') {
      await new Promise(() => {})
    }
    if (this.link === 'Cut') {
      throw new LedgerError('Unavailable', 'cut')
    }
  }
}

function bed(whenAway: Partial<Record<LineClass, AwayMode>> = {}) {
  let nowMs = 1_000
  let holds = 0
  const now = (): number => nowMs
  const store = new DistantLedger(now)
  const guarded = new GuardedLedger(store, {
    ...defaultGuard,
    whenAway: { ...defaultGuard.whenAway, ...whenAway },
    gateways: () => 4,
    timeoutMs: 50,
    now,
  })
  const line = (lineClass: LineClass, cap?: number): Line => ({
    key: lineClass,
    kind: 'Flow',
    class: lineClass,
    amount: 1,
    ...(cap === undefined ? {} : { cap }),
    endsAtMs: 90_000,
  })
  const hold = (...lines: readonly Line[]): Hold => ({
    id: `hold-${(holds += 1)}`,
    lines,
    expiresInMs: 60_000,
  })
  const outcome = async (...lines: readonly Line[]): Promise<string> => {
    try {
      return (await guarded.try(hold(...lines))).outcome
    } catch (error) {
      return error instanceof LedgerError ? error.code : String(error)
    }
  }
  const pass = (ms: number): void => void (nowMs += ms)
  return { store, guarded, line, hold, outcome, pass }
}

test('a store that is away: budgets are closed, rates go on at this gateway’s share', async () => {
  const { store, line, outcome } = bed()
  expect(await outcome(line('Budget', 8), line('Rate', 8))).toBe('Granted')
  store.link = 'Cut'
  expect(await outcome(line('Budget', 8), line('Rate', 8))).toBe('Unavailable')
  expect(await outcome(line('Rate', 8))).toBe('Granted')
  expect(await outcome(line('Rate', 8), line('Budget'))).toBe('Granted')
  expect(await outcome(line('Rate', 8))).toBe('Refused')
  expect(await outcome(line('Rate', 0))).toBe('Refused')
})

test.each<[Partial<Record<LineClass, AwayMode>>, string]>([
  [{ Rate: 'Closed' }, 'Unavailable'],
  [{ Budget: 'LocalShare' }, 'Refused'],
  [{ Budget: 'Open' }, 'Refused'],
  [{ Budget: 'Open', Rate: 'Open' }, 'Granted'],
])('with %j, a third request on caps of 8 among 4 gateways is %s', async (modes, want) => {
  const { store, line, outcome } = bed(modes)
  store.link = 'Cut'
  await outcome(line('Budget', 8), line('Rate', 8))
  await outcome(line('Budget', 8), line('Rate', 8))
  expect(await outcome(line('Budget', 8), line('Rate', 8))).toBe(want)
})

test('a silent store is waited for a few times, then asked once a second', async () => {
  const { store, outcome, line, pass } = bed()
  store.link = 'Silent'
  for (let call = 0; call < 8; call += 1) {
    expect(await outcome(line('Rate', 800))).toBe('Granted')
  }
  expect(store.calls).toBe(5)
  pass(1_000)
  await outcome(line('Rate', 800))
  await outcome(line('Rate', 800))
  expect(store.calls).toBe(6)
  store.link = 'Up'
  pass(1_000)
  expect(await outcome(line('Budget', 8))).toBe('Granted')
  expect(await outcome(line('Budget', 8))).toBe('Granted')
})

test('a settlement that the store missed is told once it answers', async () => {
  const { store, guarded, line, hold } = bed()
  const one = hold(line('Budget', 8))
  await guarded.try(one)
  store.link = 'Cut'
  expect(await guarded.settle(one.id, { used: [1], exactness: 'Exact' })).toBe('Settled')
  expect(guarded.late).toEqual({ waiting: 1, forgotten: 0 })
  store.link = 'Up'
  await guarded.read(['Budget'])
  await expect.poll(() => guarded.late.waiting).toBe(0)
  expect(await store.read(['Budget'])).toEqual([{ committed: 1, held: 0 }])
})

test('a hold that was granted alone is settled alone', async () => {
  const { store, guarded, line, hold, outcome } = bed()
  store.link = 'Cut'
  const one = hold(line('Rate', 4))
  await guarded.try(one)
  expect(await outcome(line('Rate', 4))).toBe('Refused')
  expect(await guarded.renew(one.id, { used: [0], expiresInMs: 1_000 })).toBe('Renewed')
  store.link = 'Up'
  expect(await guarded.settle(one.id, released)).toBe('Settled')
  expect(await store.read(['Rate'])).toEqual([{ committed: 0, held: 0 }])
  store.link = 'Cut'
  expect(await outcome(line('Rate', 4))).toBe('Granted')
})

test('a bug is no outage', async () => {
  const { guarded, hold, line } = bed()
  await expect(guarded.try(hold(line('Rate'), line('Rate')))).rejects.toThrow(/Two lines/)
  expect(guarded.isAway).toBe(false)
})
