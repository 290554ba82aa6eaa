// Replicas that join and leave under load: streams that are cut and answers of another adapter's weights; both bars are 0.
//   node bin/run.mjs test/bars/scale-soak.ts [--minutes 60] [--every 30] [--replicas 5] [--rate 6]
// Simulated engines with their agents, four gateways in processes of their own. Every `--every` seconds a replica leaves
// or one joins, between `--replicas` and two fewer. One that leaves drains while each gateway loses it from its list at a
// moment of its own within a second, as when a pod is deleted, or, every second time, before they do.
import { loadavg } from 'node:os'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { quantileOf } from '../../src/sim/lab/outcome.ts'
import { createRandom, drawIndex, exponential } from '../../src/sim/lab/random.ts'
import { zipfWeights } from '../../src/sim/lab/workloads/zipf-weights.ts'
import { h100Llama8b } from '../../src/sim/profile.ts'
import { LiveBed } from '../support/live-bed.ts'
import { contentOf, LiveLoad, type LiveEnd } from '../support/live-load.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    every: { type: 'string', default: '30' },
    replicas: { type: 'string', default: '5' },
    rate: { type: 'string', default: '6' },
    adapters: { type: 'string', default: '16' },
  },
})
const endMs = Number(values.minutes) * 60_000
const everyMs = Number(values.every) * 1000
const most = Number(values.replicas)
const adapters = Number(values.adapters)
const changes = { joined: 0, left: 0, leftBusy: 0 }

async function change(bed: LiveBed, load: LiveLoad): Promise<void> {
  const random = createRandom(3)
  const laterMs = (): number => random.next() * 1000
  let isGrowing = false
  for (let atMs = everyMs; atMs < endMs; atMs += everyMs) {
    await load.until(atMs)
    const count = bed.replicas.length
    isGrowing = count >= most ? false : count <= most - 2 ? true : isGrowing
    if (isGrowing) {
      await bed.join(laterMs)
      changes.joined += 1
    } else {
      changes.leftBusy += load.open > 0 ? 1 : 0
      await bed.leave(changes.left % 2 === 0 ? 'Deleted' : 'Cordoned', laterMs)
      changes.left += 1
    }
  }
}

async function call(bed: LiveBed, load: LiveLoad): Promise<void> {
  const random = createRandom(7)
  const weights = zipfWeights(adapters, 1)
  const all = [...bed.adapters.values()]
  const calls: Promise<unknown>[] = []
  let atMs = 0
  for (let number = 0; ; number += 1) {
    atMs += (exponential(random) * 1000) / Number(values.rate)
    if (atMs >= endMs) {
      break
    }
    await load.until(atMs)
    const adapter = all[drawIndex(random, weights)]
    const url = bed.urls[Math.floor(random.next() * bed.urls.length)] ?? ''
    const outputTokens = 20 + Math.floor(random.next() * 280)
    if (adapter !== undefined) {
      const content = contentOf(number, 60 + Math.floor(random.next() * 400))
      calls.push(load.call(url, { adapter, content, outputTokens }))
    }
  }
  await Promise.all(calls)
}

function report(ends: readonly LiveEnd[]): boolean {
  const of = (verdict: LiveEnd['verdict']): readonly LiveEnd[] =>
    ends.filter((end) => end.verdict === verdict)
  const ttfts = Float64Array.from(of('Whole'), ({ ttftMs }) => ttftMs).sort()
  const [cut, wrong, refused] = [of('Cut'), of('WrongAdapter'), of('Refused')]
  const isMet = cut.length === 0 && wrong.length === 0
  console.log(
    `${ends.length} streams in ${values.minutes} min, ${changes.joined} replicas joined, ${changes.left} left (${changes.leftBusy} with streams open); load average ${(loadavg()[0] ?? 0).toFixed(1)}`,
  )
  console.log(
    `TTFT p50 ${quantileOf(ttfts, 0.5).toFixed(0)} ms, p99 ${quantileOf(ttfts, 0.99).toFixed(0)} ms`,
  )
  console.log(
    `${isMet ? 'ok    ' : 'MISSED'} cut: ${cut.length} (bar 0), wrong adapter: ${wrong.length} (bar 0); refused: ${refused.length}`,
  )
  for (const { sentMs, verdict, detail } of [...cut, ...wrong, ...refused].slice(0, 5)) {
    console.log(`  ${verdict} at ${(sentMs / 1000).toFixed(1)} s: ${detail}`)
  }
  return isMet
}

await using bed = await LiveBed.start({
  gateways: 4,
  replicas: most,
  adapters,
  engine: {
    profile: h100Llama8b,
    maxLoras: 8,
    maxCpuLoras: adapters + 16,
    maxNumSeqs: 64,
    maxNumBatchedTokens: 2048,
    maxLoraRank: 16,
  },
})
await using load = new LiveLoad()
await Promise.all([call(bed, load), change(bed, load)])
process.exitCode = report(load.ends) ? 0 : 1
