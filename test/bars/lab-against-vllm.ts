// The lab against a real vLLM on this CPU: fresh runs of the tiny model, a profile fitted on every second of them, the
// others replayed. Bar: throughput and TPOT within 15 % on average. Both cores are vLLM's: nothing else should run.
//   node bin/run.mjs test/bars/lab-against-vllm.ts [--seconds 30] [--seed 1] [--save FILE] [--from FILE]
// `--save` keeps the measurements, `--from` fits and replays saved ones without an engine.
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { tiny, type LatencyProfile } from '../../src/sim/profile.ts'
import { CpuVllm } from '../support/cpu-vllm.ts'
import { fitProfile, type FitPoint } from '../support/fit-profile.ts'
import { replay, type ReplayFigures } from '../support/lab-replay.ts'
import {
  arrivalsOfPoint,
  measurePoint,
  type VllmFigures,
  type VllmPoint,
} from '../support/vllm-point.ts'

const barPercent = 15

/** The copy of a good adapter, as the fixtures have it, takes what a step takes beside it: not told apart from noise. */
const hostToSlotMs = 1

interface Measured {
  readonly point: VllmPoint
  readonly seed: number
  readonly seconds: number
  readonly figures: VllmFigures
}

/** Short prompts and long answers, the other way round, and middling ones. Two cores read some 250 prompt tokens a second. */
const lengths = [
  { inputTokens: 16, outputTokens: 48 },
  { inputTokens: 64, outputTokens: 16 },
  { inputTokens: 32, outputTokens: 32 },
] as const

const loads = [
  { callers: 1, adapters: 1 },
  { callers: 2, adapters: 2 },
  { callers: 4, adapters: 1 },
  { callers: 4, adapters: 4 },
  { callers: 8, adapters: 2 },
  { callers: 8, adapters: 8 },
  { callers: 16, adapters: 2 },
  { callers: 16, adapters: 4 },
  { callers: 16, adapters: 8 },
  { callers: 24, adapters: 3 },
  { perSecond: 1.5, adapters: 2 },
  { perSecond: 1.5, adapters: 4 },
] as const

function pointsOf(slots: number): readonly VllmPoint[] {
  return loads.map((load, at) => ({ slots, ...load, ...(lengths[(at + slots) % 3] ?? lengths[0]) }))
}

async function measureAll(seconds: number, seed: number): Promise<readonly Measured[]> {
  const measured: Measured[] = []
  for (const slots of [2, 4]) {
    const engine = await CpuVllm.start(slots, 8)
    try {
      await measurePoint(engine, { slots, adapters: 8, callers: 8, ...lengths[2] }, seed, 20)
      for (const [at, point] of pointsOf(slots).entries()) {
        const figures = await measurePoint(engine, point, seed + at, seconds)
        measured.push({ point, seed: seed + at, seconds, figures })
        process.stderr.write(`${nameOf(point)}: ${JSON.stringify(figures)}\n`)
      }
    } finally {
      await engine.stop()
    }
  }
  return measured
}

function replayOf(one: Measured, profile: LatencyProfile, overheadMs: number): ReplayFigures {
  const { point, seed, seconds } = one
  const engine = {
    profile,
    maxLoras: point.slots,
    maxCpuLoras: 8,
    maxNumSeqs: 64,
    maxNumBatchedTokens: 2048,
    kvTokens: profile.kvTokens,
  }
  return replay(arrivalsOfPoint(point, seed), engine, seconds * 1000, {
    mostOutstanding: point.callers ?? Infinity,
    beyond: point.callers === undefined ? 'Lost' : 'SentLater',
    overheadMs,
    passes: (nowMs) => nowMs,
  })
}

function fit(measured: readonly Measured[]): { profile: LatencyProfile; overheadMs: number } {
  const start = {
    ...tiny,
    name: 'cpu',
    stepMs: 18,
    perRequestMs: 3,
    perAdapterMs: 1,
    perPrefillTokenMs: 2.5,
    hostToSlotMs,
  }
  const points = measured.map((one): FitPoint => {
    const { point, figures } = one
    const { tpotMeanMs } = figures
    const isSaturated = point.callers !== undefined
    return {
      id: nameOf(point),
      slots: point.slots,
      tpotMeanMs,
      isSaturated,
      weight: 1,
      replay: (profile) => replayOf(one, profile, 8),
    }
  })
  const profile = fitProfile(points, { ...start, freePrefillTokens: 0 }, { rounds: 8 })
  const late = measured
    .map((one) => one.figures.ttftMeanMs - replayOf(one, profile, 0).engineTtftMeanMs)
    .toSorted((left, right) => left - right)
  return { profile, overheadMs: Math.max(0, late[late.length >> 1] ?? 0) }
}

function report(measured: readonly Measured[]): boolean {
  const { profile, overheadMs } = fit(measured.filter((_, at) => at % 2 === 0))
  console.log(`fitted on ${Math.ceil(measured.length / 2)} points: ${JSON.stringify(profile)}`)
  console.log(`from caller to engine and back: ${overheadMs.toFixed(1)} ms`)
  const errors = { throughput: [] as number[], tpot: [] as number[] }
  for (const one of measured.filter((_, at) => at % 2 === 1)) {
    const lab = replayOf(one, profile, overheadMs)
    const { figures } = one
    const throughput = percent(lab.outputTokensPerS, figures.outputTokensPerS)
    const tpot = percent(lab.tpotMeanMs, figures.tpotMeanMs)
    errors.throughput.push(Math.abs(throughput))
    errors.tpot.push(Math.abs(tpot))
    console.log(
      `${nameOf(one.point)}: ${figures.outputTokensPerS.toFixed(0)} tokens/s, lab ${signed(throughput)}; ` +
        `TPOT ${figures.tpotMeanMs.toFixed(1)} ms, lab ${signed(tpot)}; ` +
        `TTFT ${figures.ttftMeanMs.toFixed(0)} ms, lab ${lab.ttftMeanMs.toFixed(0)}`,
    )
  }
  const results = Object.entries(errors).map(([what, values]) => say(what, values))
  return results.every((isMet) => isMet)
}

function say(what: string, values: readonly number[]): boolean {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const isMet = mean <= barPercent
  const words = `${isMet ? 'ok    ' : 'MISSED'} ${what}: off by ${mean.toFixed(1)} % on average`
  console.log(`${words} (bar ${barPercent}), at most ${Math.max(...values).toFixed(1)} %`)
  return isMet
}

function percent(lab: number, real: number): number {
  return (lab / real - 1) * 100
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)} %`
}

function nameOf(point: VllmPoint): string {
  const load =
    point.callers === undefined ? `${point.perSecond} requests/s` : `${point.callers} callers`
  const tokens = `${point.inputTokens} in, ${point.outputTokens} out`
  return `${point.slots} slots, ${point.adapters} adapters, ${load}, ${tokens}`
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    save: { type: 'string' },
    from: { type: 'string' },
  },
})
const measured =
  values.from === undefined
    ? await measureAll(Number(values.seconds), Number(values.seed))
    : (JSON.parse(readFileSync(values.from, 'utf8')) as readonly Measured[])
if (values.save !== undefined) {
  writeFileSync(values.save, JSON.stringify(measured))
}
process.exitCode = report(measured) ? 0 : 1
