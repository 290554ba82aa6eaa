// `npm run check`: everything that can be said about the code without running the service. The tools run at once; a line
// each as they end, and the words of those that failed at the end.
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { noBareErrors } from './check/bare-errors.ts'
import { decisionRecords } from './check/decision-records.ts'
import { importRules } from './check/import-rules.ts'
import { liveLinks } from './check/links.ts'
import { namedTests } from './check/named-tests.ts'
import { noOwnMachine } from './check/own-machine.ts'
import { pureCore } from './check/pure-core.ts'
import { readmeLength } from './check/readme-length.ts'
import type { SourceCheck } from './check/source-file.ts'
import { runTool, type StepResult } from './check/tool-step.ts'
import { trackedFiles } from './check/tracked-files.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

const sourceChecks: Readonly<Record<string, SourceCheck>> = {
  'import rules': importRules,
  'core is pure': pureCore,
  'typed errors': noBareErrors,
  "no machine's own paths": noOwnMachine,
  'README length': readmeLength,
  'decision records': decisionRecords,
  'links in pages': liveLinks,
  'tests that pages name': namedTests,
}

const tools: Readonly<Record<string, readonly [script: string, ...args: readonly string[]]>> = {
  format: ['node_modules/oxfmt/bin/oxfmt', '--check', '.'],
  lint: ['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings'],
  types: ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'],
  'dead code': ['node_modules/knip/bin/knip.js', '--no-progress'],
  'generated files': ['scripts/generate.ts', '--check'],
}

const files = trackedFiles(root)
const steps: readonly (readonly [string, () => Promise<StepResult>])[] = [
  ...Object.entries(sourceChecks).map(
    ([name, check]) => [name, () => Promise.resolve(judge(check))] as const,
  ),
  ...Object.entries(tools).map(
    ([name, [script, ...args]]) => [name, () => runTool(root, script, args)] as const,
  ),
]

const results = await Promise.all(
  steps.map(async ([name, run]) => {
    const startedAt = performance.now()
    const result = await run()
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    console.log(`${result.passed ? 'ok  ' : 'FAIL'} ${name.padEnd(24)} ${seconds.padStart(5)} s`)
    return { name, ...result }
  }),
)

const failed = results.filter((result) => !result.passed)
for (const { name, output } of failed) {
  console.log(`\n── ${name} ──\n${output.trimEnd()}`)
}
console.log(`\n${results.length - failed.length} passed, ${failed.length} failed`)
process.exitCode = failed.length === 0 ? 0 : 1

function judge(check: SourceCheck): StepResult {
  const findings = check(files)
  return { passed: findings.length === 0, output: findings.join('\n') }
}
