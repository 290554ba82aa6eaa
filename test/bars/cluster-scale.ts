// A controller and a gateway with 1,000 adapters on 20 replicas, then with 10,000 of 1,000 tenants, on a real API server:
// how long until all are Ready, what they ask when nothing happens, memory and CPU.
//   node bin/run.mjs test/bars/cluster-scale.ts [--adapters 1000] [--more 10000] [--replicas 20] [--idle 60] [--minutes 40] [--profile folder]
// Each size also as LORAPLEX_SCALE_ADAPTERS, _MORE, _REPLICAS, _IDLE, _MINUTES. Ends with every figure beside its bar.
import process from 'node:process'
import { parseArgs } from 'node:util'
import { ScaleBed } from '../support/scale-bed.ts'

const { env } = process
const { values } = parseArgs({
  options: {
    adapters: { type: 'string', default: env['LORAPLEX_SCALE_ADAPTERS'] ?? '1000' },
    more: { type: 'string', default: env['LORAPLEX_SCALE_MORE'] ?? '10000' },
    replicas: { type: 'string', default: env['LORAPLEX_SCALE_REPLICAS'] ?? '20' },
    idle: { type: 'string', default: env['LORAPLEX_SCALE_IDLE'] ?? '60' },
    minutes: { type: 'string', default: env['LORAPLEX_SCALE_MINUTES'] ?? '40' },
    profile: { type: 'string' },
  },
})
const [first, all, replicas, idleSeconds] = [
  Number(values.adapters),
  Number(values.more),
  Number(values.replicas),
  Number(values.idle),
]
const verdicts: string[] = []
const beganMs = performance.now()
let phase = 'starting'
const progress = setInterval(() => {
  process.stderr.write(`${seconds(beganMs)} s: ${phase}\n`)
}, 15_000)
const adaptersEach = 10

await using bed = await ScaleBed.start(replicas, values.profile)
const limit = setTimeout(
  () => {
    process.stderr.write(`not done after ${values.minutes} minutes: ${phase}\n`)
    void bed[Symbol.asyncDispose]().finally(() => process.exit(1))
  },
  Number(values.minutes) * 60_000,
)
await step(0, first)
await idle()
if (all > first) {
  await step(first, all)
  await idle()
  const startedAt = performance.now()
  await bed.restartController()
  await bed.allReady(all)
  console.log(`another controller: knows and leads after ${seconds(startedAt)} s`)
  await idle()
}

clearInterval(progress)
clearTimeout(limit)
console.log(verdicts.join('\n'))

/** Applies what is missing up to `to`, as fast as the API server takes it. */
async function step(from: number, to: number): Promise<void> {
  const before = await bed.usage()
  const startedAt = performance.now()
  phase = `adapters ${from} to ${to} are applied`
  await bed.apply(from / adaptersEach, to / adaptersEach, adaptersEach)
  phase = `waiting until ${to} are Ready`
  const applied = seconds(startedAt)
  await bed.allReady(to)
  const readyMs = performance.now() - startedAt
  const after = await bed.usage()
  console.log(
    `${to} adapters: applied after ${applied} s, all Ready after ${(readyMs / 1000).toFixed(1)} s`,
  )
  console.log(
    `  CPU meanwhile: controller ${(after.controller.cpu - before.controller.cpu).toFixed(1)} s, gateway ${(after.gateway.cpu - before.gateway.cpu).toFixed(1)} s, API server and etcd ${(after.server - before.server).toFixed(1)} s, this ${(after.own - before.own).toFixed(1)} s`,
  )
  await bed.report()
  if (to === 1000) {
    judge('1,000 adapters all Ready', readyMs / 1000, 60, 's')
  }
  if (to <= 1000) {
    judge(`controller with ${to}`, after.controller.rssMb, 250, 'MB')
  } else {
    judge(`controller with ${to}`, after.controller.rssMb, 400, 'MB')
    judge(`gateway with ${to}`, after.gateway.rssMb, 400, 'MB')
  }
}

/** What is asked of each size: 250 MB for a thousand, 400 for ten thousand. */
function judge(what: string, figure: number, bar: number, unit: string): void {
  const verdict = figure <= bar ? 'kept' : 'MISSED'
  verdicts.push(`${what}: ${figure.toFixed(1)} ${unit}, bar ≤ ${bar}: ${verdict}`)
  process.exitCode = process.exitCode === 1 || figure > bar ? 1 : 0
}

async function idle(): Promise<void> {
  phase = 'idle'
  const before = await bed.usage()
  const asked = await bed.requests()
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000))
  const requests = ((await bed.requests()) - asked) / idleSeconds
  const after = await bed.usage()
  judge('idle', requests, 10, 'API requests/s')
  console.log(
    `idle: ${requests.toFixed(1)} API requests/s (the server's own included); CPU controller ${share(after.controller.cpu - before.controller.cpu)}, gateway ${share(after.gateway.cpu - before.gateway.cpu)}; load ${bed.load()}`,
  )
  await bed.report()
}

function share(cpuSeconds: number): string {
  return `${((100 * cpuSeconds) / idleSeconds).toFixed(1)} %`
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1)
}
