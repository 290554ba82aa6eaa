/** `npm run bench -- [suite…] [--quick] [--targets nginx,bare,gateway] [--json FILE]`; README.md says what each measures. */
import { writeFile } from 'node:fs/promises'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Bench } from './bench.ts'
import { machineFacts, printFacts } from './machine.ts'
import { startNginx } from './nginx.ts'
import { stopAllChildren, TargetUnavailable } from './process.ts'
import { printReport, type Report } from './report.ts'
import { burstSuite, chunkSuite } from './suites/chunk.ts'
import { largeSuite } from './suites/large.ts'
import { latencySuite } from './suites/latency.ts'
import { runLedger } from './suites/ledger.ts'
import { memorySuite } from './suites/memory.ts'
import { pickSuite } from './suites/pick.ts'
import { requestSuite } from './suites/request.ts'
import { runVllm } from './suites/vllm.ts'
import { startBareRelay } from './targets/bare.ts'
import { startGateway } from './targets/gateway.ts'
import { startLitellm } from './targets/litellm.ts'
import { targetNames, type Target } from './targets/target.ts'
import { Upstream } from './targets/upstream.ts'

const suites: Record<string, (bench: Bench) => Promise<Report>> = {
  request: requestSuite,
  chunk: chunkSuite,
  burst: burstSuite,
  large: largeSuite,
  latency: latencySuite,
  memory: (bench) =>
    memorySuite(bench, { minutes: Number(values.minutes), stopped: Number(values.stopped) }),
}
/** Without targets: in this process, or in front of an engine that runs. */
const apart: ReadonlySet<string> = new Set(['ledger', 'pick', 'vllm'])
/** Without names: what the bars of every change are about. */
const defaultSuites = ['request', 'chunk', 'burst', 'large', 'latency']

/** What the chart's memory limit leaves of Node's heap; the gateway's further flag is the command's own. */
const chartHeap = ['--max-old-space-size=512']

const starters = {
  nginx: startNginx,
  bare: startBareRelay,
  litellm: startLitellm,
  gateway: startGateway,
} as const

const usage = `npm run bench -- [SUITE…] [options]

suites: ${Object.keys(suites).join(', ')} (default: ${defaultSuites.join(', ')}), or ${[...apart].join(', ')}
  --quick               one short round: shows that it works, not how fast
  --rounds N            default 5; more on a busy machine
  --targets A,B         of ${targetNames.join(', ')}; default all
  --json FILE           writes every round's figures
memory only:
  --minutes N           default 1; 60 for the slope
  --stopped N           per cent of the readers that stop reading; default 0
vllm only:
  --engine-url URL      a running vLLM on test/fixtures/tiny-llama; the gateway is started in front of it
  --pairs N             default 10`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    targets: { type: 'string', default: targetNames.join(',') },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
    'engine-url': { type: 'string' },
    pairs: { type: 'string', default: '10' },
    minutes: { type: 'string', default: '1' },
    stopped: { type: 'string', default: '0' },
  },
})

async function startTargets(
  upstreamUrl: string,
  nodeFlags: readonly string[],
  stack: AsyncDisposableStack,
): Promise<Target[]> {
  const wanted = values.targets.split(',')
  const targets: Target[] = []
  for (const name of targetNames.filter((known) => wanted.includes(known))) {
    try {
      const target = await starters[name](upstreamUrl, { nodeFlags })
      stack.defer(() => target.stop())
      targets.push(target)
    } catch (error) {
      if (!(error instanceof TargetUnavailable)) {
        throw error
      }
      console.log(`${name} is left out: ${error.message}`)
      process.exitCode = 1
    }
  }
  return targets
}

async function runSuites(names: readonly string[], stack: AsyncDisposableStack): Promise<Report[]> {
  const upstream = await Upstream.start()
  stack.defer(() => upstream.stop())
  const targets = await startTargets(upstream.url, names.includes('memory') ? chartHeap : [], stack)
  const { quick } = values
  const rounds = roundsWanted()
  const reports: Report[] = []
  for (const name of names) {
    const report = await suites[name]?.({ upstream, targets, quick, rounds })
    if (report !== undefined) {
      console.log(printReport(report))
      reports.push(report)
    }
  }
  return reports
}

function roundsWanted(): number {
  return Math.max(1, Number(values.rounds ?? (values.quick ? 1 : 5)))
}

async function main(): Promise<void> {
  const names = positionals.length === 0 ? defaultSuites : positionals
  const unknown = names.filter((name) => !apart.has(name) && suites[name] === undefined)
  if (values.help || unknown.length > 0) {
    console.log(unknown.length > 0 ? `no suite ${unknown.join(', ')}\n\n${usage}` : usage)
    process.exitCode = values.help ? 0 : 2
    return
  }
  const machine = machineFacts()
  console.log(printFacts(machine))
  await using stack = new AsyncDisposableStack()
  const reports: unknown[] = []
  const relayed = names.filter((name) => !apart.has(name))
  if (relayed.length > 0) {
    reports.push(...(await runSuites(relayed, stack)))
  }
  if (names.includes('ledger')) {
    const report = await runLedger(roundsWanted(), values.quick)
    console.log(report.text)
    reports.push(report)
  }
  if (names.includes('pick')) {
    const report = await pickSuite(values.quick, roundsWanted())
    console.log(printReport(report))
    reports.push(report)
  }
  if (names.includes('vllm')) {
    const report = await runVllm(values['engine-url'], Number(values.pairs), values.quick, stack)
    console.log(report.text)
    reports.push(report)
  }
  if (values.json !== undefined) {
    await writeFile(values.json, `${JSON.stringify({ machine, reports }, null, 2)}\n`)
  }
}

/** Ctrl-C ends the children; the run then fails on its own and cleans up, within reason. */
async function interrupt(finished: Promise<void>): Promise<void> {
  await stopAllChildren()
  await Promise.race([finished.catch(() => undefined), delay(5_000)])
  process.exit(130)
}

const finished = main()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void interrupt(finished))
}
try {
  await finished
} catch (error) {
  if (!(error instanceof TargetUnavailable)) {
    throw error
  }
  console.error(error.message)
  process.exitCode = 1
}
