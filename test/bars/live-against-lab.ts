// The p99 of TTFT that the lab tells, beside that of gateways and engines that run: eight simulated replicas with their
// agents, four gateways in processes of their own, popularity that turns round every ten minutes.
//   node bin/run.mjs test/bars/live-against-lab.ts [--quick] [--seconds 1800] [--period-seconds 600] [--rate 12] [--slots 8]
// Bar: the lab's p99 TTFT within 20 % of the live one. `--quick`: two minutes, a period of 40 s. `--lab-only`: no live run. `--slower 4`: a profile with
// every time four times as long, and a quarter of the rate, where the machine has other work.
import { loadavg } from 'node:os'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { engineNameOf, revisionOf } from '../../src/api/names.ts'
import { labCosts, labEngine } from '../../src/sim/lab/lab-engine.ts'
import { outcomeOf, quantileOf, type Outcome } from '../../src/sim/lab/outcome.ts'
import { policyNamed } from '../../src/sim/lab/policy-names.ts'
import { createRandom } from '../../src/sim/lab/random.ts'
import { runLab } from '../../src/sim/lab/run-lab.ts'
import type { Tape, TapeRequest } from '../../src/sim/lab/tape.ts'
import { popularityFlip } from '../../src/sim/lab/workloads/popularity-flip.ts'
import { profileNamed, type LatencyProfile } from '../../src/sim/profile.ts'
import { LiveBed, type LiveLook } from '../support/live-bed.ts'
import { contentOf, LiveLoad, promptTokens } from '../support/live-load.ts'
import { livePoolKey } from '../support/live-orders.ts'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    'lab-only': { type: 'boolean', default: false },
    seconds: { type: 'string' },
    'period-seconds': { type: 'string' },
    rate: { type: 'string', default: '12' },
    adapters: { type: 'string', default: '48' },
    gateways: { type: 'string', default: '4' },
    slots: { type: 'string', default: '8' },
    profile: { type: 'string', default: 'h100-llama-8b' },
    slower: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
  },
})
const seconds = Number(values.seconds ?? (values.quick ? 120 : 1800))
const periodSeconds = Number(values['period-seconds'] ?? (values.quick ? 40 : 600))
const warmUpMs = Math.min(60_000, (seconds * 1000) / 8)
const adapters = Number(values.adapters)
const replicas = 8
const slower = Number(values.slower)
const settings = {
  profile: slowed(values.profile),
  maxLoras: Number(values.slots),
  maxCpuLoras: adapters + 16,
  maxNumSeqs: 64,
  maxNumBatchedTokens: 2048,
  maxLoraRank: 16,
}

/** Every time of the profile so many times as long: a machine that is busy otherwise is then late by less of it. */
function slowed(name: string): LatencyProfile {
  const profile = profileNamed(name)
  if (profile === undefined) {
    throw new Error(`there is no profile ${name}`)
  }
  const times = Object.entries(profile).map(([field, value]) => [
    field,
    field.endsWith('Ms') || field === 'perAdapterRequestMs' ? Number(value) * slower : value,
  ])
  return { ...profile, ...(Object.fromEntries(times) as Partial<LatencyProfile>) }
}

/** The workload's, with answers of some 80 tokens, and prompts that the fixtures' model has room for. */
function tapeOf(): Tape {
  const knobs = {
    adapters,
    rate: Number(values.rate) / slower,
    seconds,
    zipf: 1,
    'period-seconds': periodSeconds,
  }
  const tape = popularityFlip.make({
    knob: (name) => (knobs as Readonly<Record<string, number>>)[name],
    files: [],
    seed: Number(values.seed),
  })
  return tape.map((request, number): TapeRequest => {
    const inputTokens = promptTokens(contentOf(number, Math.min(request.inputTokens, 1200)))
    const outputTokens = Math.min(400, Math.ceil(request.outputTokens * 0.41))
    return { ...request, inputTokens, outputTokens }
  })
}

function playInLab(tape: Tape, warmUp: number): Outcome {
  const engine = labEngine(settings)
  const objective = { ttftMs: 1000, tpotMs: 50 }
  const costs = labCosts(engine)
  const policy = policyNamed('loraplex', { costs, objective, kvTokens: engine.kvTokens })
  if (policy === undefined) {
    throw new Error('the lab has no policy of ours')
  }
  const run = runLab({ tape, policy, replicas, engine, seed: Number(values.seed) })
  return outcomeOf(run, objective, warmUp)
}

interface LiveFigures {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly tpotMs: number
  readonly completed: number
  readonly latestSendMs: number
  readonly wrong: readonly string[]
  readonly failed: readonly string[]
}

async function playLive(bed: LiveBed, tape: Tape): Promise<LiveFigures> {
  await using load = new LiveLoad()
  const random = createRandom(Number(values.seed) + 1)
  const calls: Promise<unknown>[] = []
  let latestSendMs = 0
  const looks: LiveLook[] = []
  const timer = setInterval(() => void bed.look().then((look) => looks.push(look)), 1000)
  for (const [number, request] of tape.entries()) {
    await load.until(request.atMs)
    latestSendMs = Math.max(latestSendMs, load.nowMs - request.atMs)
    calls.push(call(bed, load, random.next(), number, request))
  }
  await Promise.all(calls)
  clearInterval(timer)
  const meanOf = (part: keyof LiveLook): string =>
    (looks.reduce((sum, look) => sum + look[part], 0) / Math.max(1, looks.length)).toFixed(1)
  console.log(
    `live, in the mean: ${meanOf('held')} of ${replicas * settings.maxLoras} slots held, ${meanOf('waiting')} adapters wait for one; ${meanOf('inFlight')} requests at engines, ${meanOf('queued')} wait`,
  )
  const ends = load.ends.filter(({ sentMs }) => sentMs >= warmUpMs)
  const whole = ends.filter(({ verdict }) => verdict === 'Whole')
  const ttfts = Float64Array.from(whole, ({ ttftMs }) => ttftMs).sort()
  const tpots = whole.map(({ tpotMs }) => tpotMs).filter((ms) => Number.isFinite(ms))
  const of = (...verdicts: readonly string[]): readonly string[] =>
    load.ends.filter(({ verdict }) => verdicts.includes(verdict)).map(({ detail }) => detail)
  return {
    p50Ms: quantileOf(ttfts, 0.5),
    p99Ms: quantileOf(ttfts, 0.99),
    tpotMs: tpots.reduce((sum, ms) => sum + ms, 0) / tpots.length,
    completed: whole.length,
    latestSendMs,
    wrong: of('WrongAdapter'),
    failed: of('Cut', 'Refused'),
  }
}

async function call(
  bed: LiveBed,
  load: LiveLoad,
  drawn: number,
  number: number,
  { adapter: name, inputTokens, outputTokens }: TapeRequest,
): Promise<void> {
  const adapter = bed.adapters.get(name)
  if (adapter === undefined) {
    throw new Error(`the bed has no ${name}`)
  }
  const url = bed.urls[Math.floor(drawn * bed.urls.length)] ?? ''
  await load.call(url, { adapter, content: contentOf(number, inputTokens), outputTokens })
}

/** One request at a time: through a gateway, at the engine's own door, and what the lab makes of it. */
async function sayIdle(bed: LiveBed): Promise<void> {
  await using load = new LiveLoad()
  const requests = Array.from({ length: 40 }, (_, at): TapeRequest => {
    const adapter = `a${at % adapters}`
    const lengths = { inputTokens: 220, outputTokens: 4, blocks: [] }
    return { atMs: at * 300 * slower, tenant: adapter, adapter, ...lengths }
  })
  const lab = playInLab(requests, 0)
  for (const [at, request] of requests.entries()) {
    await call(bed, load, (at % 4) / 4, 1_000_000 + at, request)
  }
  const gateway = Float64Array.from(load.ends, ({ ttftMs }) => ttftMs).sort()
  const engine = await askEngines(bed)
  const words = [gateway, engine].map((ttfts) => `${quantileOf(ttfts, 0.5).toFixed(1)} ms`)
  console.log(
    `idle, TTFT p50: lab ${lab.ttftP50Ms.toFixed(1)} ms, at an engine ${words[1]}, through a gateway ${words[0]}; ${loadWords()}`,
  )
}

async function askEngines(bed: LiveBed): Promise<Float64Array> {
  await using load = new LiveLoad()
  const all = [...bed.adapters.values()]
  for (let at = 0; at < 40; at += 1) {
    const url = bed.replicas[at % bed.replicas.length]?.engineUrl ?? ''
    const known = all[at % all.length]
    if (known !== undefined) {
      const adapter = { ...known, name: engineNameOf(revisionOf(livePoolKey, known.digest)) }
      await load.call(url, { adapter, content: contentOf(2_000_000 + at, 220), outputTokens: 4 })
    }
  }
  return Float64Array.from(load.ends, ({ ttftMs }) => ttftMs).sort()
}

function loadWords(): string {
  return `load average ${(loadavg()[0] ?? 0).toFixed(1)}`
}

const tape = tapeOf()
const lab = playInLab(tape, warmUpMs)
const outputs = tape.reduce((sum, { outputTokens }) => sum + outputTokens, 0) / tape.length
console.log(
  `${tape.length} requests in ${seconds} s, turned every ${periodSeconds} s, ${outputs.toFixed(0)} tokens an answer, ${adapters} adapters, ${replicas} replicas of ${settings.maxLoras} slots, ${values.profile}, ${slower} × as slow`,
)
console.log(
  `lab:  TTFT p50 ${lab.ttftP50Ms.toFixed(0)} ms, p99 ${lab.ttftP99Ms.toFixed(0)} ms, TPOT ${lab.tpotMeanMs.toFixed(1)} ms, ${lab.completed} answers after the warm-up; ${lab.meanActive.toFixed(2)} slots in use`,
)
if (!values['lab-only']) {
  await using bed = await LiveBed.start({
    gateways: Number(values.gateways),
    replicas,
    adapters,
    engine: settings,
  })
  await sayIdle(bed)
  const live = await playLive(bed, tape)
  console.log(
    `live: TTFT p50 ${live.p50Ms.toFixed(0)} ms, p99 ${live.p99Ms.toFixed(0)} ms, TPOT ${live.tpotMs.toFixed(1)} ms, ${live.completed} answers after the warm-up; the latest was sent ${live.latestSendMs.toFixed(0)} ms late; ${loadWords()}`,
  )
  await sayIdle(bed)
  const ratio = lab.ttftP99Ms / live.p99Ms
  const isMet = Math.abs(ratio - 1) <= 0.2 && live.wrong.length === 0 && live.failed.length === 0
  console.log(
    `${isMet ? 'ok    ' : 'MISSED'} p99 of the lab by the live one: ${ratio.toFixed(3)} (bar 0.8 to 1.2)`,
  )
  console.log(`wrong adapters: ${live.wrong.length}; cut or refused: ${live.failed.length}`)
  for (const detail of [...live.wrong, ...live.failed].slice(0, 5)) {
    console.log(`  ${detail}`)
  }
  process.exitCode = isMet ? 0 : 1
}
