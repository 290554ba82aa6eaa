// A controller and a gateway with 1,000 adapters on 20 replicas, then with 10,000 of 1,000 tenants, on a real API server:
// how long until all are Ready, what they ask when nothing happens, memory and CPU.
//   node bin/run.mjs test/bars/cluster-scale.ts [--adapters 1000] [--more 10000] [--replicas 20] [--idle 60] [--profile folder]
import process from 'node:process'
import { parseArgs } from 'node:util'
import { ScaleBed } from '../support/scale-bed.ts'

const { values } = parseArgs({
  options: {
    adapters: { type: 'string', default: '1000' },
    more: { type: 'string', default: '10000' },
    replicas: { type: 'string', default: '20' },
    idle: { type: 'string', default: '60' },
    profile: { type: 'string' },
  },
})
const [first, all, replicas, idleSeconds] = [
  Number(values.adapters),
  Number(values.more),
  Number(values.replicas),
  Number(values.idle),
]
const adaptersEach = 10

await using bed = await ScaleBed.start(replicas, values.profile)
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

/** Applies what is missing up to `to`, as fast as the API server takes it. */
async function step(from: number, to: number): Promise<void> {
  const before = await bed.usage()
  const startedAt = performance.now()
  await bed.apply(from / adaptersEach, to / adaptersEach, adaptersEach)
  const applied = seconds(startedAt)
  await bed.allReady(to)
  const ready = seconds(startedAt)
  const after = await bed.usage()
  console.log(`${to} adapters: applied after ${applied} s, all Ready after ${ready} s`)
  console.log(
    `  CPU meanwhile: controller ${(after.controller.cpu - before.controller.cpu).toFixed(1)} s, gateway ${(after.gateway.cpu - before.gateway.cpu).toFixed(1)} s, API server and etcd ${(after.server - before.server).toFixed(1)} s, this ${(after.own - before.own).toFixed(1)} s`,
  )
  await bed.report()
}

async function idle(): Promise<void> {
  const before = await bed.usage()
  const asked = await bed.requests()
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000))
  const requests = ((await bed.requests()) - asked) / idleSeconds
  const after = await bed.usage()
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
process.exitCode = 0
