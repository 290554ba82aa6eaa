// The lab against public one-hour runs of a real vLLM with adapters on an H100: constants are fitted on about half of the
// runs of each model and rank, and every figure printed is of the other half.
//   node bin/run.mjs test/bars/lab-calibration.ts --data FOLDER [--quick] [--part 1] [--saturated 0.2] [--group llama-16,qwen-32] [--rows]
//   node bin/run.mjs test/bars/lab-calibration.ts --data FOLDER --fit [--group llama-16]
// The second form goes on fitting from the constants of src/sim/profiles and prints what it finds; the first judges those. `--quick` is for a minute,
// `--part` the part of the held-out runs that is replayed, `--saturated` that of the saturated ones, which are the slowest and
// the most alike. FOLDER (or LORAPLEX_LAB_DATA) holds vllm-lora-runs.csv.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { profileNamed, type LatencyProfile } from '../../src/sim/profile.ts'
import { descendProfile } from '../support/descend-profile.ts'
import type { ReplayFigures } from '../support/lab-replay.ts'
import { readLabRuns, type LabRunRow } from '../support/lab-runs.ts'
import { isSaturated, replayLabRun, replaySteadyPart } from '../support/replay-lab-run.ts'

/**
 * `fullBy`: what of a full engine the constants are fitted to, where they cannot give both. `slotsOf`: whose costs of slots it has,
 * where there are few runs with many slots.
 */
const groups = [
  {
    name: 'llama-16',
    model: 'llama-3.1-8b-instruct',
    rank: 16,
    profile: 'h100-llama-8b',
    slotsOf: undefined,
    fullBy: 'Throughput',
  },
  {
    name: 'llama-32',
    model: 'llama-3.1-8b-instruct',
    rank: 32,
    profile: 'h100-llama-8b-rank-32',
    slotsOf: 'h100-llama-8b',
    fullBy: 'Throughput',
  },
  {
    name: 'qwen-16',
    model: 'qwen-2.5-7b-instruct',
    rank: 16,
    profile: 'h100-qwen-7b',
    slotsOf: undefined,
    fullBy: 'Tpot',
  },
  {
    name: 'qwen-32',
    model: 'qwen-2.5-7b-instruct',
    rank: 32,
    profile: 'h100-qwen-7b-rank-32',
    slotsOf: 'h100-qwen-7b',
    fullBy: 'Throughput',
  },
] as const

type Group = (typeof groups)[number]

/** Percent; TPOT by kind of run. */
const bars = { throughput: 5, tpot: { stable: 5, queueing: 7, saturated: 10 } } as const

type Kind = keyof typeof bars.tpot

/** The authors' own fit of the base model alone, 10.54 + 0.0438·B: with adapters, B and prompts grow together. */
const perRequestMs = 0.0438

interface Shown {
  readonly row: LabRunRow
  readonly lab: ReplayFigures
}

const whereFrom = `The runs are public, but not part of this project. They are from
github.com/FerranAgulloLopez/GPULLMAdapterOptimization (Apache-2.0; commit bae36e2dad9615d851ff32d10a96633d21615647),
benchmarks/lora/definitive_results, summarised into one table vllm-lora-runs.csv with a line for each run and the columns of
test/fixtures/lab-runs/held-out.csv. Name its folder with --data or LORAPLEX_LAB_DATA.`

/** Half of the runs, told from the others by their names alone. */
function isForFit({ id }: LabRunRow): boolean {
  return (createHash('sha256').update(id).digest()[0] ?? 0) % 2 === 0
}

function kindOf(row: LabRunRow): Kind {
  return isSaturated(row) ? 'saturated' : row.regime === 'stable' ? 'stable' : 'queueing'
}

/** Every so many-th: about `count` of them. */
function spread<T>(rows: readonly T[], count: number): readonly T[] {
  const every = Math.max(1, rows.length / Math.max(1, count))
  return rows.filter((_, at) => Math.floor(at / every) !== Math.floor((at - 1) / every))
}

/** Of each kind of run, so many at most; whole hours, but ten minutes where no queue builds up. */
const chosenForFit = { stable: 30, queueing: 16, overloaded: 10, client_capped: 10 } as const

function fit({ profile, slotsOf, fullBy }: Group, rows: readonly LabRunRow[]): LatencyProfile {
  const chosen = (['stable', 'queueing', 'overloaded', 'client_capped'] as const).flatMap(
    (regime) =>
      spread(
        rows.filter((row) => row.regime === regime),
        chosenForFit[regime],
      ),
  )
  const points = chosen.map((row) => ({
    id: row.id,
    slots: row.slots,
    tpotMeanMs: row.tpotMeanMs,
    outputTokensPerS: fullBy === 'Throughput' ? row.outputTokensPerS : undefined,
    isSaturated: isSaturated(row),
    weight: isSaturated(row)
      ? bars.tpot.saturated / bars.throughput
      : bars.tpot.saturated / bars.tpot[kindOf(row)],
    replay: (profile: LatencyProfile) =>
      row.regime === 'stable' ? replaySteadyPart(row, profile) : replayLabRun(row, profile),
  }))
  const start = profileOf(profile)
  const { perSlotMs, perAdapterSlotMs } = profileOf(slotsOf ?? profile)
  return descendProfile(
    points,
    { ...start, perRequestMs, perSlotMs, perAdapterSlotMs: perAdapterSlotMs ?? 0 },
    {
      rounds: 4,
      held: slotsOf === undefined ? [] : ['perSlotMs', 'perAdapterSlotMs'],
      say: (text) => process.stderr.write(`${profile}: ${text}\n`),
    },
  )
}

function printFit(group: Group, rows: readonly LabRunRow[]): void {
  console.log(group.name, rows.length, JSON.stringify(fit(group, rows)))
}

function profileOf(name: string): LatencyProfile {
  const profile = profileNamed(name)
  if (profile === undefined) {
    throw new Error(`no profile ${name}`)
  }
  return profile
}

function replayAll(
  { name, profile }: Group,
  rows: readonly LabRunRow[],
  counts: Readonly<Record<Kind, number>>,
  isEachSaid: boolean,
): readonly Shown[] {
  const shown: Shown[] = []
  for (const kind of ['stable', 'queueing', 'saturated'] as const) {
    const own = rows.filter((row) => kindOf(row) === kind)
    for (const row of spread(own, counts[kind] * own.length)) {
      const lab = replayLabRun(row, profileOf(profile))
      shown.push({ row, lab })
      if (isEachSaid) {
        console.log(lineOf(row, lab))
      }
    }
  }
  process.stderr.write(`${name}: ${shown.length} of ${rows.length} held-out runs replayed\n`)
  return shown
}

function lineOf(row: LabRunRow, lab: ReplayFigures): string {
  const rps = row.rates.reduce((sum, rate) => sum + rate, 0)
  return (
    `${row.id} ${row.regime}: ${row.slots} slots, ${row.rates.length} adapters, ${rps.toFixed(1)}/s; ` +
    `${row.outputTokensPerS.toFixed(0)} tokens/s ${signed(lab.outputTokensPerS / row.outputTokensPerS)}, ` +
    `TPOT ${row.tpotMeanMs} ms ${signed(lab.tpotMeanMs / row.tpotMeanMs)}, ` +
    `TTFT ${row.ttftMeanS} s, lab ${(lab.ttftMeanMs / 1000).toFixed(3)} (engine ${(lab.engineTtftMeanMs / 1000).toFixed(3)}), ` +
    `p50 ${row.ttftP50S} s, lab ${(lab.ttftP50Ms / 1000).toFixed(3)}; ` +
    `running ${row.runningMean}, lab ${lab.runningMean.toFixed(0)}`
  )
}

function signed(ratio: number): string {
  return `${ratio < 1 ? '−' : '+'}${Math.abs((ratio - 1) * 100).toFixed(1)} %`
}

/** Mean of |lab / real − 1| in percent. */
function error(shown: readonly Shown[], ratio: (one: Shown) => number): number {
  const sum = shown.reduce((total, one) => total + Math.abs(ratio(one) - 1), 0)
  return (sum / Math.max(1, shown.length)) * 100
}

function report(name: string, shown: readonly Shown[]): boolean {
  let isMet = true
  const say = (what: string, figure: string, isWithin: boolean): void => {
    console.log(`${isWithin ? 'ok    ' : 'MISSED'} ${name} ${what}: ${figure}`)
    isMet &&= isWithin
  }
  for (const kind of ['stable', 'queueing', 'saturated'] as const) {
    const own = shown.filter(({ row }) => kindOf(row) === kind)
    if (own.length === 0) {
      continue
    }
    const words = `${kind} (${own.length} runs)`
    const throughput = error(own, ({ row, lab }) => lab.outputTokensPerS / row.outputTokensPerS)
    say(`${words} throughput`, `off by ${throughput.toFixed(1)} % (bar 5)`, throughput <= 5)
    const tpot = error(own, ({ row, lab }) => lab.tpotMeanMs / row.tpotMeanMs)
    const bar = bars.tpot[kind]
    say(`${words} TPOT`, `off by ${tpot.toFixed(1)} % (bar ${bar})`, tpot <= bar)
    if (kind !== 'saturated') {
      sayTtft(words, own, say)
    }
  }
  return isMet
}

function sayTtft(
  words: string,
  shown: readonly Shown[],
  say: (what: string, figure: string, isWithin: boolean) => void,
): void {
  const within = (ratio: (one: Shown) => number): number =>
    shown.filter((one) => Math.abs(Math.log2(ratio(one))) <= 1).length
  const mean = within(({ row, lab }) => lab.ttftMeanMs / 1000 / row.ttftMeanS)
  const median = within(({ row, lab }) => lab.ttftP50Ms / 1000 / row.ttftP50S)
  const engine = within(({ row, lab }) => lab.engineTtftMeanMs / 1000 / row.ttftMeanS)
  say(
    `${words} TTFT within 2 ×`,
    `mean of ${mean}, p50 of ${median} (without the stalls of the source's sampler: mean of ${engine})`,
    mean === shown.length && median === shown.length,
  )
}

/** The same load at 16, 32, 64 and more slots; rows of both halves: only the measured TTFT is shown beside the lab's. */
function cliff(group: Group, rows: readonly LabRunRow[]): void {
  const byLoad = Map.groupBy(
    rows.filter((row) => !isSaturated(row) && row.slots >= 16),
    ({ rates }) => rates.join(),
  )
  const loads = [...byLoad.values()].filter((own) => {
    const slots = new Set(own.map((row) => row.slots))
    return [16, 32, 64].every((count) => slots.has(count))
  })
  for (const own of spread(loads, 2)) {
    const rps = own[0]?.rates.reduce((sum, rate) => sum + rate, 0) ?? 0
    console.log(
      `cliff ${group.name}: ${own[0]?.rates.length} adapters, ${rps.toFixed(1)} requests/s`,
    )
    for (const row of own.toSorted((left, right) => left.slots - right.slots)) {
      const lab = replayLabRun(row, profileOf(group.profile))
      const [real, simulated] = [row.ttftMeanS, lab.ttftMeanMs / 1000]
      console.log(
        `  ${row.slots} slots: mean TTFT ${real.toFixed(2)} s, lab ${simulated.toFixed(2)} s; ` +
          `TPOT ${row.tpotMeanMs.toFixed(1)} ms, lab ${lab.tpotMeanMs.toFixed(1)} ms` +
          (isForFit(row) ? ' (run of the fit)' : ''),
      )
    }
  }
}

function main(): boolean {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: process.env['LORAPLEX_LAB_DATA'] ?? '' },
      group: { type: 'string', default: groups.map(({ name }) => name).join() },
      part: { type: 'string', default: '1' },
      saturated: { type: 'string', default: '0.2' },
      quick: { type: 'boolean', default: false },
      rows: { type: 'boolean', default: false },
      fit: { type: 'boolean', default: false },
    },
  })
  const path = join(values.data, 'vllm-lora-runs.csv')
  if (values.data === '' || !existsSync(path)) {
    console.log(whereFrom)
    return false
  }
  const all = readLabRuns(path)
  const wanted = groups.filter(({ name }) => values.group.split(',').includes(name))
  const counts = values.quick
    ? { stable: 0.06, queueing: 0.06, saturated: 0.01 }
    : {
        stable: Number(values.part),
        queueing: Number(values.part),
        saturated: Number(values.saturated),
      }
  let isMet = true
  for (const group of wanted) {
    const rows = all.filter(({ model, rank }) => model === group.model && rank === group.rank)
    if (values.fit) {
      printFit(group, rows.filter(isForFit))
      continue
    }
    const heldOut = rows.filter((row) => !isForFit(row))
    isMet = report(group.name, replayAll(group, heldOut, counts, values.rows)) && isMet
    if (!values.quick) {
      cliff(group, rows)
    }
  }
  return isMet
}

process.exitCode = main() ? 0 : 1
