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
