/** What one vitest run came to. */
export interface TestCounts {
  readonly passed: number
  /** Failed tests, and files that failed without one: those never got as far as a test. */
  readonly failed: number
  readonly skipped: number
  /** Tests that failed and then passed when they were run once more, each with why; they are among `passed`. */
  readonly flaky: readonly string[]
}

/** The part of vitest's JSON report that is read here. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly status: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      /** Of every attempt. */
      readonly failureMessages?: readonly string[]
    }[]
  }[]
}

/**
 * Counts a report. An exit code that says failure although no test failed counts as one: an unhandled rejection, a
 * crashed worker, or no tests at all. A tier that ran nothing must not pass, unless somebody chose among its tests.
 */
export function countTests(
  report: VitestReport | undefined,
  exitCode: number | null,
  filtered = false,
): TestCounts {
  const files = report?.testResults ?? []
  const tests = files.flatMap((file) => file.assertionResults)
  const statuses = tests.map(({ status }) => status)
  const passed = statuses.filter((status) => status === 'passed').length
  const failedTests = statuses.filter((status) => status === 'failed').length
  const failedFiles = files.filter(
    (file) =>
      file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'),
  ).length
  const failed = failedTests + failedFiles
  const silent = failed === 0 && (exitCode !== 0 || (passed === 0 && !filtered))
  return {
    passed,
    failed: silent ? 1 : failed,
    skipped: statuses.length - passed - failedTests,
    flaky: tests
      .filter(
        ({ status, failureMessages = [] }) => status === 'passed' && failureMessages.length > 0,
      )
      .map(({ fullName, failureMessages: [first = ''] = [] }) => `${fullName}: ${first}`),
  }
}
