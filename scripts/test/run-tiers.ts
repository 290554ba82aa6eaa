import process from 'node:process'
import { runVitest } from './run-vitest.ts'
import type { TestCounts } from './vitest-counts.ts'

/** One project of vitest.config.ts. */
export interface Tier {
  readonly project: string
  /** What its tests need, for the heading. */
  readonly what: string
  /** Installs what it needs; throws where that cannot be. */
  readonly prepare?: () => Promise<Prepared | void>
  /** A command that runs the tests inside something. */
  readonly within?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** What there is only once a tier is prepared. */
export interface Prepared {
  readonly env: Readonly<Record<string, string>>
  /** Called when its tests have ended, however they did. */
  readonly tidy: (counts: TestCounts | undefined) => Promise<void>
}

/** A tier that is not run here, and how somebody runs it. */
export interface LeftOut {
  readonly what: string
  readonly command: string
}

interface TierResult {
  readonly tier: Tier
  readonly counts: TestCounts
  /** With what it took to prepare it. */
  readonly seconds: number
}

/**
 * Runs tiers one after another: they measure time and use the same ports. The last line of the output is
 * `N passed, N failed`; the exit code follows it.
 */
export async function runTiers(
  tiers: readonly Tier[],
  args: readonly string[],
  leftOut: readonly LeftOut[],
): Promise<void> {
  const results: TierResult[] = []
  for (const tier of tiers) {
    console.log(`\n── ${tier.project}: ${tier.what} ──`)
    const startedAt = performance.now()
    const counts = await runTier(tier, args)
    results.push({ tier, counts, seconds: (performance.now() - startedAt) / 1000 })
  }
  console.log('')
  for (const { tier, counts, seconds } of results) {
    console.log(
      `${tier.project.padEnd(12)} ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, ${seconds.toFixed(0)} s`,
    )
  }
  for (const { what, command } of leftOut) {
    console.log(`not run: ${what}; run it with \`${command}\``)
  }
  for (const name of results.flatMap(({ counts }) => counts.flaky)) {
    console.log(`flaky: failed once, then passed: ${name}`)
  }
  const sum = (name: 'passed' | 'failed'): number =>
    results.reduce((total, { counts }) => total + counts[name], 0)
  process.exitCode = sum('failed') === 0 ? 0 : 1
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`)
}

async function runTier(tier: Tier, args: readonly string[]): Promise<TestCounts> {
  let prepared: Prepared | void = undefined
  const startedAt = performance.now()
  try {
    prepared = await tier.prepare?.().catch((error: unknown) => {
      console.error(messageOf(error))
      console.error(`preparing ${tier.project} failed; trying once more`)
      return tier.prepare?.()
    })
  } catch (error) {
    console.error(messageOf(error))
    return { passed: 0, failed: 1, skipped: 0, flaky: [] }
  }
  if (tier.prepare !== undefined) {
    console.log(`prepared in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
  }
  let counts: TestCounts | undefined
  try {
    const env = { ...process.env, ...tier.env, ...prepared?.env }
    counts = await runVitest(tier.project, args, { env, within: tier.within ?? [] })
    return counts
  } finally {
    await prepared?.tidy(counts)
  }
}

function messageOf(error: unknown): unknown {
  return error instanceof Error ? error.message : error
}
