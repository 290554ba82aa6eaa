import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ledgerContract } from '../../test/support/ledger-contract.ts'
import { disagreement, histories, historyCount } from '../../test/support/ledger-histories.ts'
import { MemoryLedger } from './memory-ledger.ts'

let nowMs = 0
const setNow = (to: number): void => void (nowMs = to)

ledgerContract(async () => {
  const ledger = new MemoryLedger(() => nowMs)
  return { ledger, other: ledger, setNow }
})

const runs = historyCount(2_000)

test(`${runs} random histories: as the model answers`, { timeout: 3_600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      const clients = [new MemoryLedger(() => nowMs)]
      const store = { clients, setNow, prefix: '', startMs: (nowMs = 1_000) }
      expect(await disagreement(history, store)).toBeUndefined()
    }),
    { numRuns: runs },
  )
})

test('committed + held never passes a cap, and committed never falls, while nobody uses more than it reserved', () => {
  const caps = { a: 20, b: 33 } as const
  const step = fc.record({
    do: fc.constantFrom('try', 'try', 'renew', 'settle', 'pass'),
    which: fc.nat({ max: 9 }),
    amount: fc.nat({ max: 12 }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
    exactness: fc.constantFrom('Exact' as const, 'LowerBound' as const, 'Unknown' as const),
  })
  return fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      nowMs = 1_000
      const ledger = new MemoryLedger(() => nowMs)
      const amounts: number[] = []
      const lapsed = new Set<number>()
      let before = [0, 0]
      for (const { do: what, which, amount, part, exactness } of steps) {
        const at = which % Math.max(1, amounts.length)
        const used = [Math.floor((amounts[at] ?? 0) * part), Math.floor((amounts[at] ?? 0) * part)]
        if (what === 'try') {
          const lines = Object.entries(caps).map(([key, cap]) => {
            return { key, cap, kind: 'Flow', class: 'Budget', amount, endsAtMs: 1e9 } as const
          })
          await ledger.try({ id: String(amounts.push(amount) - 1), lines, expiresInMs: 100 })
        } else if (what === 'renew') {
          const outcome = await ledger.renew(String(at), { used, expiresInMs: 100 })
          if (outcome === 'Lapsed') {
            lapsed.add(at)
          }
        } else if (what === 'settle' && !lapsed.has(at)) {
          // What comes after the lapse is booked even where the room has gone to others.
          if ((await ledger.renew(String(at), { used: [], expiresInMs: 1 })) === 'Renewed') {
            await ledger.settle(String(at), { used, exactness })
          }
        } else {
          nowMs += which * 10
        }
        const counters = await ledger.read(Object.keys(caps))
        for (const [index, { committed, held }] of counters.entries()) {
          expect(committed + held).toBeLessThanOrEqual(Object.values(caps)[index] ?? 0)
          expect(held).toBeGreaterThanOrEqual(0)
          expect(committed).toBeGreaterThanOrEqual(before[index] ?? 0)
        }
        before = counters.map(({ committed }) => committed)
      }
    }),
    { numRuns: 500 },
  )
})
