import { expect, test } from 'vitest'
import { countTests, type VitestReport } from './vitest-counts.ts'

const report = (...files: [status: string, ...tests: string[]][]): VitestReport => ({
  testResults: files.map(([status, ...tests]) => ({
    status,
    assertionResults: tests.map((test) => ({ fullName: 'a test', status: test })),
  })),
})

test('passed, failed and skipped tests are counted apart', () => {
  const counts = countTests(
    report(['passed', 'passed', 'skipped'], ['failed', 'failed', 'passed', 'todo']),
    1,
  )
  expect(counts).toEqual({ passed: 2, failed: 1, skipped: 2, flaky: [] })
})

test('a file that fails before its first test is a failure', () => {
  expect(countTests(report(['failed'], ['passed', 'passed']), 1)).toMatchObject({ failed: 1 })
})

test('a failing exit code without a failing test is a failure', () => {
  expect(countTests(report(['passed', 'passed']), 1)).toMatchObject({ passed: 1, failed: 1 })
})

test('a run that left no report is a failure', () => {
  expect(countTests(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0, flaky: [] })
})

test('a run in which everything was skipped is a failure', () => {
  expect(countTests(report(['passed', 'skipped']), 0)).toEqual({
    passed: 0,
    failed: 1,
    skipped: 1,
    flaky: [],
  })
})

test('somebody who chose among the tests may find none in one tier', () => {
  expect(countTests(report(), 0, true)).toEqual({ passed: 0, failed: 0, skipped: 0, flaky: [] })
})

test('a test that passed only when it was run once more is named, with why', () => {
  const tests = [
    { fullName: 'shaky', status: 'passed', failureMessages: ['expected 1 to be 2'] },
    { fullName: 'steady', status: 'passed', failureMessages: [] },
    { fullName: 'broken', status: 'failed', failureMessages: ['no', 'no again'] },
  ]
  const counts = countTests({ testResults: [{ status: 'failed', assertionResults: tests }] }, 1)
  expect(counts).toEqual({ passed: 2, failed: 1, skipped: 0, flaky: ['shaky: expected 1 to be 2'] })
})
