// Replicas that follow the load, in the lab: every scaling rule on every tape, with cold starts of 60 and 240 s.
//   node bin/run.mjs test/bars/lab-autoscaling.ts [--quick] [--part 0.5] [--tapes step,saw] [--cold 60,240] [--rules loraplex,hpa]
// `--quick`: ours and the clairvoyant alone, tapes half as long. `--tapes` and `--rules` take beginnings of names, `--part`
// the length of tapes; `--spare 1` shows what more replicas bring where a bar is missed. Everything: 120 runs of five
// to ten seconds of CPU each.
//
// Bars: GPU time ≤ 1.25 × the clairvoyant's with ≥ 98 % of requests within the objective (TTFT ≤ 1 s, TPOT ≤ 50 ms); step × 4
// decided within 5 s, at most 1.5 × what it takes; on the sawtooth no more turns than the load has, two a tooth.
//
// GPU time counts from the order of a replica to its end, and is compared with that of a clairvoyant autoscaler: layers of
// R_LB(t) in windows of 10 s, each at its least cost. Left out of the attainment are arrivals in the unavoidable wait: those
// for whom no replica can be there by then, and what piled up before, when somebody orders 1.5 × the need at the very
// moment of it (so much overshoot is allowed) and keeps it for a cold start. What all arrivals got is shown beside it.
// Others' rules are given the concurrency knee that their guides tell to measure, and an unbounded engine queue as they have.
import process from 'node:process'
import { parseArgs } from 'node:util'
import type { EngineCosts } from '../../src/core/route-cost.ts'
import { runLab, type LabRun } from '../../src/sim/lab/run-lab.ts'
import { toppings } from '../../src/sim/lab/policies/products.ts'
import type { ScalePolicy } from '../../src/sim/lab/scale-policy.ts'
import { scalerNamed, scalerNames, type ScalerContext } from '../../src/sim/lab/scaler-names.ts'
import { scalingOutcome, type ScalingOutcome } from '../../src/sim/lab/scaling-outcome.ts'
import { clairvoyant } from '../../src/sim/lab/scalers/clairvoyant.ts'
import { fixed } from '../../src/sim/lab/scalers/fixed.ts'
import { needOfTape } from '../../src/sim/lab/scalers/need-of-tape.ts'
import { unavoidableWait } from '../../src/sim/lab/scalers/unavoidable-wait.ts'
import { scalingTapes, type ScalingTape } from '../../src/sim/lab/workloads/scaling-tapes.ts'
import { h100Llama8b as profile } from '../../src/sim/profile.ts'

const objective = { ttftMs: 1000, tpotMs: 50 }
const windowMs = 10_000
const maxReplicas = 24
const slots = 16
const engine = {
  profile,
  maxLoras: slots,
  maxCpuLoras: 64,
  maxNumSeqs: 256,
  maxNumBatchedTokens: 2048,
  kvTokens: profile.kvTokens - profile.kvTokensPerSlotRank * slots * 16,
}
const costs: EngineCosts = {
  stepMs: profile.stepMs + profile.perSlotMs * slots,
  perRequestMs: profile.perRequestMs,
  perAdapterMs: profile.perAdapterMs,
  perPromptTokenMs: profile.perPrefillTokenMs,
  loadMs: profile.diskToHostMs + profile.hostToSlotMs,
}
/** What a replica runs at once at 0.8 of its bound: the concurrency knee that others' guides tell to measure. */
const knee = 50

interface Play {
  readonly tape: ScalingTape
  readonly coldStartMs: number
  readonly need: Float64Array
  readonly initial: number
}

/** As `loraplex lab --scaler` has them; the fixed one has what the peak takes. */
function rulesFor({ need, coldStartMs, initial, tape }: Play): readonly ScalePolicy[] {
  const peak = need.reduce((most, value) => Math.max(most, value), 0)
  const minReplicas = tape.name === 'from zero' ? 0 : 1
  const { tpotMs } = objective
  const context: ScalerContext = {
    costs,
    tpotMs,
    minReplicas,
    maxReplicas,
    coldStartMs,
    knee,
    need,
    windowMs,
    ...spare,
    replicas: initial,
  }
  return scalerNames.flatMap((name) =>
    name === 'fixed' ? fixed(Math.ceil(peak / 0.8)) : (scalerNamed(name, context) ?? []),
  )
}

function playOf(tape: ScalingTape, coldStartMs: number): Play {
  const need = needOfTape(tape.tape, { costs, tpotMs: objective.tpotMs, windowMs })
  // As a fleet would stand that had been there before: the same for every rule, and free for the clairvoyant.
  const first = need
    .slice(0, Math.round(30_000 / windowMs))
    .reduce((most, value) => Math.max(most, value), 0)
  return { tape, coldStartMs, need, initial: Math.ceil(first / 0.8) }
}

function runOf(
  { tape, coldStartMs, initial }: Play,
  policy: ScalePolicy,
  maxInFlight?: number,
): LabRun {
  return runLab({
    tape: tape.tape,
    policy: toppings({ costs, tpotMs: objective.tpotMs }),
    replicas: initial,
    engine,
    seed: 1,
    scaling: { policy, coldStartMs, maxReplicas },
    ...(maxInFlight === undefined ? {} : { maxInFlight }),
  })
}

function outcomeOf(play: Play, policy: ScalePolicy): ScalingOutcome {
  const { tape, coldStartMs, need, initial } = play
  const run = runOf(play, policy)
  return scalingOutcome(run, {
    objective,
    need,
    windowMs,
    waits: unavoidableWait({ need, windowMs, coldStartMs, initial, most: 1.5 }),
    clairvoyantMs: clairvoyant({ need, windowMs, coldStartMs, initial }).gpuMs,
    ...(tape.jumpAt === undefined ? {} : { jumpMs: tape.jumpAt * 1000 }),
  })
}

function print(rule: string, outcome: ScalingOutcome): void {
  const { decidedMs, overshoot, lost } = outcome
  const cells = [
    rule.padEnd(24),
    outcome.gpuHours.toFixed(2).padStart(6),
    outcome.ratio.toFixed(2).padStart(6),
    percent(outcome.attainment).padStart(7),
    percent(outcome.attainmentOfAll).padStart(7),
    percent(outcome.leftOut).padStart(7),
    (decidedMs === undefined ? '–' : `${(decidedMs / 1000).toFixed(1)} s`).padStart(8),
    (overshoot?.toFixed(2) ?? '–').padStart(5),
    String(outcome.turns).padStart(5),
    String(lost).padStart(5),
  ]
  process.stdout.write(`${cells.join(' ')}\n`)
}

/** From nothing, with the gateway's queue: an engine gets what it can run within the objective, the rest waits. */
function printFromZero(play: Play, policy: ScalePolicy): void {
  const { requests, scaling } = runOf(play, policy, 80)
  const firstMs = requests[0]?.arrivedMs ?? Number.NaN
  const seenMs = (scaling.find(({ desired }) => desired > 0)?.atMs ?? Infinity) - firstMs
  const upMs = Math.min(...requests.map(({ sentMs }) => sentMs))
  const shares = new Map<number, number>()
  const held = requests.filter(({ arrivedMs }) => arrivedMs < upMs)
  for (const { replica } of held) {
    shares.set(replica, (shares.get(replica) ?? 0) + 1)
  }
  const lost = requests.filter(({ endMs }) => Number.isNaN(endMs)).length
  const parts = Array.from(shares.values(), (share) => percent(share / held.length)).join(', ')
  process.stdout.write(
    `with the gateway's queue: demand seen after ${seenMs.toFixed(0)} ms (bar 100; how long the wire takes is given), ` +
      `${lost} of ${requests.length} lost, the ${held.length} that waited for the first replica went to ${parts}\n`,
  )
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    part: { type: 'string' },
    tapes: { type: 'string', default: '' },
    cold: { type: 'string', default: '60,240' },
    rules: { type: 'string' },
    seed: { type: 'string', default: '1' },
    spare: { type: 'string' },
  },
})
const spare = values.spare === undefined ? {} : { spare: Number(values.spare) }
const rules = (values.rules ?? (values.quick ? 'loraplex,clairvoyant' : '')).split(',')
const isAsked = (asked: readonly string[], name: string): boolean =>
  asked.some((one) => name === one || (name.startsWith(one) && !scalerNames.includes(one)))
const head =
  'rule                      GPU-h  × best   of avoidable, all  left out  decided  over turns  lost'
for (const tape of scalingTapes(
  Number(values.seed),
  Number(values.part ?? (values.quick ? 0.5 : 1)),
)) {
  if (!isAsked(values.tapes.split(','), tape.name)) {
    continue
  }
  for (const cold of values.cold.split(',').map(Number)) {
    const play = playOf(tape, cold * 1000)
    const mean = play.need.reduce((sum, value) => sum + value, 0) / play.need.length
    process.stdout.write(
      `\n${tape.name} (${tape.words}), cold start ${cold} s: ${tape.tape.length} requests, ${mean.toFixed(1)} replicas needed on average\n${head}\n`,
    )
    for (const rule of rulesFor(play)) {
      if (isAsked(rules, rule.name)) {
        print(rule.name, outcomeOf(play, rule))
      }
    }
    const ours = rulesFor(play).find(({ name }) => name === 'loraplex')
    if (tape.name === 'from zero' && ours !== undefined && isAsked(rules, ours.name)) {
      printFromZero(play, ours)
    }
  }
}
