import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../test/support/eventually.ts'
import { LedgerError } from './ledger-error.ts'
import { LiveHold, LiveHolds } from './live-holds.ts'
import { MemoryLedger } from './memory-ledger.ts'
import type { Line, Renewal } from './types.ts'

class Watched extends MemoryLedger {
  readonly renewals: Renewal[] = []
  isAway = false

  override async renew(holdId: string, renewal: Renewal) {
    this.renewals.push(renewal)
    if (this.isAway) {
      throw new LedgerError('Unavailable', 'away')
    }
    return super.renew(holdId, renewal)
  }
}

async function bed(leaseMs: number, renewEveryMs: number) {
  const ledger = new Watched()
  const log: string[] = []
  const holds = new LiveHolds(ledger, { leaseMs, renewEveryMs, log: (text) => log.push(text) })
  onTestFinished(() => holds.close())
  const line: Line = {
    key: 'tokens',
    kind: 'Flow',
    class: 'Budget',
    amount: 60,
    cap: 100,
    endsAtMs: Date.UTC(2200, 0),
  }
  const begin = (id: string) => holds.begin({ id, lines: [line] })
  const hold = await begin('first')
  if (!(hold instanceof LiveHold)) {
    throw new TypeError('refused')
  }
  const read = async () => (await ledger.read(['tokens']))[0]
  /** Told of once. */
  const use = (tokens: number): void => {
    hold.useSoFar = () => {
      hold.useSoFar = () => undefined
      return { used: [tokens], bill: '' }
    }
  }
  return { ledger, holds, hold, begin, read, log, use }
}

test('a hold outlives its lease while its request lives, and lapses soon after its gateway stopped', async () => {
  const { ledger, holds, read, use } = await bed(150, 20)
  use(7)
  await eventually(() => ledger.renewals.length).toBeGreaterThan(5)
  expect(await read()).toEqual({ committed: 0, held: 60 })
  holds.close()
  await eventually(read).toEqual({ committed: 7, held: 0 })
})

test('the newest usage is told, and nothing without need', async () => {
  const { ledger, use } = await bed(60_000, 30)
  for (let token = 1; token <= 50; token += 1) {
    use(token)
  }
  expect(ledger.renewals).toEqual([])
  await eventually(() => ledger.renewals.map(({ used }) => used)).toEqual([[50]])
  use(51)
  await eventually(() => ledger.renewals.map(({ used }) => used)).toEqual([[50], [51]])
})

test('a renewal that the ledger missed is made again', async () => {
  const { ledger, log, use } = await bed(60_000, 20)
  ledger.isAway = true
  use(9)
  await eventually(() => log.length).toBeGreaterThan(1)
  ledger.isAway = false
  const tried = ledger.renewals.length
  await eventually(() => ledger.renewals.length).toBeGreaterThan(tried)
  expect(ledger.renewals.at(-1)?.used).toEqual([9])
})

test('what ends is settled once, and renewed no more; a refusal is answered as it is', async () => {
  const { ledger, holds, hold, begin, read } = await bed(60_000, 10)
  expect(await begin('second')).toMatchObject({ outcome: 'Refused', short: [{ held: 60 }] })
  expect(holds.size).toBe(1)
  expect(await hold.settle({ used: [30], exactness: 'Exact' })).toBe('Settled')
  expect(await hold.release()).toBe('Ended')
  expect(holds.size).toBe(0)
  expect(ledger.renewals).toEqual([])
  expect(await read()).toEqual({ committed: 30, held: 0 })
})
