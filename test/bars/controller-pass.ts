// The controller's own work with 10,000 adapters of 1,000 tenants on 20 replicas, everything around it in this process and
// at no cost: how long one pass takes (renewing the lease waits for it), what is told to agents, what is held in memory.
//   node bin/run.mjs test/bars/controller-pass.ts [--tenants 1000] [--adapters-each 10] [--replicas 20]
import process from 'node:process'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { LoadedController } from '../support/loaded-controller.ts'

/** A renewal of the lease must never wait longer than this for the event loop. */
const barMs = 100

const { values } = parseArgs({
  options: {
    tenants: { type: 'string', default: '1000' },
    'adapters-each': { type: 'string', default: '10' },
    replicas: { type: 'string', default: '20' },
  },
})
const [tenants, each, replicas] = [
  Number(values.tenants),
  Number(values['adapters-each']),
  Number(values.replicas),
]
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const emptyMb = heapMb()
const bed = new LoadedController(replicas)
let isKept = true
await step('all at once', () => bed.add(tenants, each))
await step('nothing changed', () => bed.controller.kick())
await step('one status said otherwise', () => bed.touchStatus())
await step('one adapter more', () => bed.add(1, 1))
await step('one adapter changed', () => bed.change())
await step('one replica started over', () => bed.restartReplica())
await step('a gateway came', () => bed.acknowledgeAnew())
console.log(`heap: ${(heapMb() - emptyMb).toFixed(0)} MB for ${bed.count} adapters`)
await bed.close()
process.exitCode = isKept ? 0 : 1

async function step(name: string, change: () => void, withinMs = 120_000): Promise<void> {
  bed.reset()
  const startedAt = performance.now()
  change()
  await bed.settled(withinMs)
  const tookMs = performance.now() - startedAt
  const { passes, passMs, longestMs, orders, entries, bytes } = bed.figures
  const isShort = longestMs <= barMs
  isKept &&= isShort
  console.log(
    [
      `${name}: ${tookMs.toFixed(0)} ms`,
      `${passes} passes, ${passMs.toFixed(0)} ms of CPU, ${longestMs.toFixed(0)} ms at most in one go (bar ${barMs}: ${isShort ? 'kept' : 'MISSED'})`,
      `${orders} orders with ${entries} entries, ${(bytes / 1e6).toFixed(2)} MB`,
    ].join('; '),
  )
}

function heapMb(): number {
  collect()
  collect()
  return process.memoryUsage().heapUsed / 1024 / 1024
}
