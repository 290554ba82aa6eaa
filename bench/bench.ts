import { join } from 'node:path'
import process from 'node:process'
import type { LoadJob, LoadResult } from './load/job.ts'
import { Child, TargetUnavailable, type Core } from './process.ts'
import type { Target } from './targets/target.ts'
import type { Upstream } from './targets/upstream.ts'

/** What a suite works with. */
export interface Bench {
  readonly upstream: Upstream
  readonly targets: readonly Target[]
  /** Fewer rounds and requests: shows that it works, not how fast. */
  readonly quick: boolean
  /** A figure is the median of so many. */
  readonly rounds: number
}

export type Load = Omit<LoadJob, 'url' | 'headers' | 'watchPid'>

/** A run that takes longer hangs. */
const runTimeoutMs = 300_000

/** Runs one load against one target in a load generator of its own. @throws TargetUnavailable when answers are wrong. */
export async function runLoad(
  target: Target,
  load: Load,
  core: Core = 'Load',
): Promise<LoadResult> {
  const job: LoadJob = {
    ...load,
    url: target.url,
    headers: target.headers,
    ...(target.pid > 0 ? { watchPid: target.pid } : {}),
  }
  const script = join(import.meta.dirname, 'load-generator.ts')
  const child = new Child('the load generator', core, process.execPath, [script])
  try {
    child.stdin?.end(JSON.stringify(job))
    const heldMs = load.arrivals.kind === 'Held' ? load.arrivals.seconds * 1000 : 0
    const result = JSON.parse(await child.firstLine(heldMs + runTimeoutMs)) as LoadResult
    if (result.errors > 0 && load.arrivals.kind !== 'Held') {
      throw new TargetUnavailable(
        `${target.name}: ${result.errors} of ${result.requests} answers were wrong, the first: ${result.firstError}`,
      )
    }
    return result
  } finally {
    await child.stop()
  }
}

/** How much of `count` a target gets. */
export function workOf({ workShare = 1 }: Target, count: number): number {
  return Math.ceil(count * workShare)
}

/** For suites that ask for more a second than LiteLLM's proxy carries. */
export function withoutLitellm(bench: Bench): Bench {
  return { ...bench, targets: bench.targets.filter(({ name }) => name !== 'litellm') }
}

/** Calls `measure` for every target in turn, `rounds` times over, so that a slow minute of the machine meets all of them. */
export async function interleave(
  bench: Bench,
  rounds: number,
  measure: (target: Target, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const target of bench.targets) {
      await measure(target, round)
    }
    process.stderr.write('.')
  }
  process.stderr.write('\n')
}
