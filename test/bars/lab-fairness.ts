// Rules of fairness beside each other, in the lab: who was served how unevenly, and at what throughput.
//   node bin/run.mjs test/bars/lab-fairness.ts [--quick] [--replicas 1,8] [--seconds 600] [--seed 1]
//     [--only arena,abusive,azure,weights] [--rules vtc,dlpm,rpm,...] [--route least-requests|ours] [--data FOLDER]
// Slow with eight replicas: --rules takes a few, by how their names begin, beside FCFS and ours.
// FOLDER holds azure-llm-2023-conv.csv and -code.csv: AzureLLMInferenceTrace_*.csv of github.com/Azure/AzurePublicDataset.
import { parseArgs } from 'node:util'
import type { LabRequest } from '../../src/sim/lab/lab-request.ts'
import { runLab } from '../../src/sim/lab/run-lab.ts'
import { serviceGap, type ServiceGap } from '../../src/sim/lab/service-gap.ts'
import { fairnessEngine, fairnessRules, type FairnessRule } from '../support/fairness-rules.ts'
import {
  abusiveTape,
  arenaTape,
  azureTape,
  weightedTape,
  type FairnessTape,
  type TapeSize,
} from '../support/fairness-tapes.ts'
import { quantile } from '../support/service.ts'

/** Left out at the start: queues have to form. */
const warmUpMs = 60_000

interface Row extends ServiceGap {
  readonly name: string
  readonly victimP99Ms: number
  readonly refused: number
  readonly wallMs: number
}

function measure(tape: FairnessTape, rule: FairnessRule, size: TapeSize): Row {
  const { queue, policy, name } = rule
  const startedMs = performance.now()
  const { replicas, seed } = size
  const run = runLab({ tape: tape.tape, policy, queue, replicas, engine: fairnessEngine, seed })
  const toMs = tape.tape.at(-1)?.atMs ?? 0
  const { refused } = queue
  const { weightOf } = tape
  const gap = serviceGap(run.requests, { fromMs: warmUpMs, toMs, weightOf, refused })
  const waits = run.requests
    .filter(({ entry, arrivedMs }) => tape.isVictim(entry.tenant) && arrivedMs >= warmUpMs)
    .filter((request) => refused?.has(request) !== true)
    .map((request) => waitOf(request, run.endMs))
  return {
    ...gap,
    name,
    victimP99Ms: waits.length === 0 ? Number.NaN : quantile(waits, 0.99),
    refused: (refused?.size ?? 0) / run.requests.length,
    wallMs: performance.now() - startedMs,
  }
}

/** Who has not got a token when the run ends has waited so far. */
function waitOf({ ttftMs, arrivedMs }: LabRequest, endMs: number): number {
  return Number.isNaN(ttftMs) ? endMs - arrivedMs : ttftMs
}

const columns = [12, 9, 9, 9, 9, 10, 10, 8, 11, 8, 8, 8, 7]

function line(...cells: readonly string[]): void {
  console.log(cells.map((cell, at) => cell.padStart(columns[at] ?? 8)).join(' '))
}

function compare(tape: FairnessTape, size: TapeSize): void {
  const { replicas } = size
  const tokens = tape.tape.reduce((sum, one) => sum + one.inputTokens + one.outputTokens, 0)
  const asked = (tokens / (tape.tape.at(-1)?.atMs ?? 1)) * 1000
  console.log(
    `\n${tape.name}; ${replicas} replicas, ${tape.tape.length} requests, ${asked.toFixed(0)} tok/s asked for`,
  )
  line(
    '',
    'gap max',
    'mean',
    'unmet max',
    'mean',
    '|Wf-Wg|',
    'mean',
    'tok/s',
    'victim p99',
    'starved',
    'Jain',
    'refused',
  )
  const rows = fairnessRules(tape, { route, chosen, seed: size.seed }).map((rule) => {
    const row = measure(tape, rule, size)
    print(row)
    return row
  })
  const [fcfs, own] = [rows[0], rows.at(-1)]
  if (fcfs !== undefined && own !== undefined) {
    const gap = own.max / fcfs.max
    const throughput = own.tokensPerSecond / fcfs.tokensPerSecond
    const { ideal } = own
    const parts = [ideal.max / fcfs.max, ideal.unmetMax / fcfs.unmetMax]
    const [all = '', unmetPart = ''] = parts.map((part) => part.toFixed(3))
    console.log(
      `  perfectly even, with as many tokens in each second: gap ${ideal.max.toFixed(0)}, ${all} of FCFS's; unmet ${ideal.unmetMax.toFixed(0)}, ${unmetPart}`,
    )
    say('greatest gap by that of FCFS', gap.toFixed(3), '<= 0.5', gap <= 0.5)
    const unmet = own.unmetMax / fcfs.unmetMax
    say('the same, by what stayed unmet', unmet.toFixed(3), '<= 0.5', unmet <= 0.5)
    say('throughput by that of FCFS', throughput.toFixed(4), '>= 0.99', throughput >= 0.99)
    const blind = rows.find(({ name }) => name === 'fcfs, blind')
    if (blind !== undefined) {
      const part = own.tokensPerSecond / blind.tokensPerSecond
      say('throughput by that of blind FCFS', part.toFixed(4), '>= 0.99', part >= 0.99)
    }
    say('starved tenants', String(own.starved.length), '0', own.starved.length === 0)
  }
}

function print(row: Row): void {
  const { name, max, mean, unmetMax, unmetMean, backloggedMax, backloggedMean } = row
  const gaps = [max, mean, unmetMax, unmetMean, backloggedMax, backloggedMean]
  line(
    name,
    ...gaps.map((gap) => gap.toFixed(0)),
    row.tokensPerSecond.toFixed(0),
    Number.isNaN(row.victimP99Ms) ? '-' : `${(row.victimP99Ms / 1000).toFixed(2)} s`,
    String(row.starved.length),
    row.jain.toFixed(3),
    `${(row.refused * 100).toFixed(0)} %`,
    `${(row.wallMs / 1000).toFixed(1)}s`,
  )
}

function say(what: string, figure: string, bar: string, isMet: boolean): void {
  console.log(`  ${isMet ? 'ok    ' : 'MISSED'} ${what}: ${figure} (bar ${bar})`)
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    replicas: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string', default: 'arena,abusive,azure,weights' },
    rules: { type: 'string', default: '' },
    data: { type: 'string' },
    route: { type: 'string', default: 'least-requests' },
  },
})
const chosen = values.rules === '' ? [] : values.rules.split(',')
const route = values.route === 'ours' ? 'ours' : 'least-requests'
const wanted = new Set(values.only.split(','))
const seconds = Number(values.seconds ?? (values.quick ? 240 : 600))
for (const replicas of (values.replicas ?? (values.quick ? '1' : '1,8')).split(',').map(Number)) {
  const size = { replicas, seconds, seed: Number(values.seed) }
  if (wanted.has('arena')) {
    compare(arenaTape(size), size)
  }
  if (wanted.has('abusive')) {
    compare(abusiveTape(size), size)
  }
  if (wanted.has('weights')) {
    compare(weightedTape(size), size)
  }
  if (wanted.has('azure')) {
    const tape = values.data === undefined ? undefined : azureTape(values.data, size)
    if (tape === undefined) {
      console.log('\nAzure’s traces: skipped, --data names no folder with them')
    } else {
      compare(tape, size)
    }
  }
}
