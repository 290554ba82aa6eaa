import { expect, test } from 'vitest'
import { FailureLog } from './failure-log.ts'
import { LedgerError } from './ledger-error.ts'

test('each reason is told once a minute, in the store’s own words', () => {
  const said: string[] = []
  let nowMs = 0
  const log = new FailureLog(
    (message) => said.push(message),
    () => nowMs,
  )
  for (nowMs = 0; nowMs <= 61_000; nowMs += 1000) {
    log.note(new LedgerError('Closed', 'it lost its counters'))
    log.note(new LedgerError('Unavailable', 'no answer in 500 ms'))
  }
  expect(said).toHaveLength(4)
  expect(said[0]).toBe('the store of limits is closed, and budgets refuse: it lost its counters')
  expect(said[1]).toContain('no answer in 500 ms')
})
