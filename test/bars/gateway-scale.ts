// A gateway with 10,000 adapters of 1,000 tenants on a real API server: memory, revocation and how long a table takes.
//   node bin/run.mjs test/bars/gateway-scale.ts [tenants] [adapters each]
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { call } from '../support/http-caller.ts'
import { startApiServer } from '../support/api-server.ts'
import { secretOf } from '../support/builders.ts'
import { ClusterBed } from '../support/cluster-bed.ts'

const tenants = Number(process.argv[2] ?? 1000)
const adaptersEach = Number(process.argv[3] ?? 10)
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))

await using api = await startApiServer({ crdPaths: [path('../../manifests/crds')] })
const bed = await ClusterBed.create(api)
const startedAt = performance.now()
await bed.pool('models', 'llama')
await inParallel(tenants, async (number) => {
  const name = `t${number}`
  await bed.tenant(name, 'a0', 'models/llama')
  for (let at = 1; at < adaptersEach; at += 1) {
    await bed.adapter(name, `a${at}`, 'models/llama')
  }
})
console.log(`${tenants * adaptersEach} adapters after ${seconds(startedAt)} s`)

const gateway = spawn(
  process.execPath,
  [
    ...process.execArgv,
    path('../../src/cli/main.ts'),
    'gateway',
    `--kubeconfig=${api.kubeconfigPath}`,
    `--secret-file=${bed.secretFile}`,
    '--host=127.0.0.1',
    '--port=0',
    '--admin-port=0',
    '--internal-port=0',
    '--log-format=json',
    '--admin-auth=None',
    '--shutdown-delay-seconds=0',
  ],
  { stdio: ['ignore', 'inherit', 'pipe'] },
)
const spawnedAt = performance.now()
const { url, adminUrl } = await served()
console.log(`serves after ${seconds(spawnedAt)} s`)
await report('at rest')

const took: number[] = []
for (let number = 0; number < 20; number += 1) {
  const key = secretOf(`t${number}`)
  await bed.revoke(`t${number}`)
  const revokedAt = performance.now()
  while ((await call(`${url}/v1/models`, { key })).status !== 401) {
    await delay(5)
  }
  took.push(performance.now() - revokedAt)
}
took.sort((left, right) => left - right)
console.log(`revocation: p50 ${took[9]?.toFixed(0)} ms, slowest ${took.at(-1)?.toFixed(0)} ms`)

await inParallel(2000, (number) =>
  bed.activate(`t${number % tenants}`, `a${number % adaptersEach}`, 'models/llama'),
)
await delay(1000)
await report('after 2,000 statuses')
gateway.kill('SIGTERM')
await new Promise((resolve) => gateway.on('exit', resolve))
await bed.close()

async function inParallel(count: number, work: (number: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1
      await work(next - 1)
    }
  }
  await Promise.all(Array.from({ length: 16 }, worker))
}

async function served(): Promise<{ url: string; adminUrl: string }> {
  let text = ''
  for await (const chunk of gateway.stderr) {
    text += String(chunk)
    const line = text.split('\n').find((one) => one.includes('the gateway serves'))
    if (line !== undefined) {
      gateway.stderr.resume()
      return JSON.parse(line) as { url: string; adminUrl: string }
    }
  }
  throw new Error(`the gateway ended: ${text}`)
}

async function report(when: string): Promise<void> {
  const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8')
  const rssMb = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
  const peakMb = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024
  const { text } = await call(`${adminUrl}/metrics`)
  const cpu = /^process_cpu_seconds_total (\S+)/m.exec(text)?.[1]
  const heapMb = Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(text)?.[1]) / 1024 / 1024
  console.log(
    `${when}: RSS ${rssMb.toFixed(0)} MB, peak ${peakMb.toFixed(0)} MB, heap ${heapMb.toFixed(0)} MB, CPU ${cpu} s`,
  )
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1)
}
