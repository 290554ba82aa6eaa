// Load that a fleet of eight replicas carries on each workload, by routing rule, in the lab.
//   node bin/run.mjs test/bars/lab-workloads.ts [--data FOLDER] [--only flip,…] [--policies A,B] [--seconds N] [--seed 1]
// Bar: never more than 2 % below the best rule of others. Load is the tape played faster. A load is kept while as many requests
// as at a twentieth of the first load, less one in a hundred, have their first token within 1 s and 50 ms a token: of recorded
// long prompts, some never do. Tapes are 240 s long, recorded ones 1,200. `azure` and `mooncake` need their traces in FOLDER
// (`loraplex lab --list` says where from).
import process from 'node:process'
import { parseArgs } from 'node:util'
import { tapeOf } from '../../src/cli/lab-tape.ts'
import { scaledTape } from '../../src/sim/lab/scaled-tape.ts'
import type { Knob } from '../../src/sim/lab/workloads/workload.ts'
import { findCapacity, play, type CapacityCase } from '../support/capacity-search.ts'

const rulesOfOthers = [
  'least-requests',
  'chwbl',
  'llm-d',
  'llm-d-lora-4',
  'preble',
  'dynamo-hrw',
  'lmetric',
  'toppings',
]

interface WorkloadCase {
  readonly name: string
  readonly knobs: Readonly<Partial<Record<Knob, number>>>
}

const cases: readonly WorkloadCase[] = [
  { name: 'tenants-large', knobs: { rate: 60 } },
  { name: 'tenants-mid', knobs: { rate: 60 } },
  { name: 'tenants-small', knobs: { rate: 60 } },
  { name: 'tenants-r1', knobs: { rate: 60 } },
  // Long enough that a handful of short answers beside long prompts do not decide.
  { name: 'azure', knobs: { rate: 8, seconds: 1200 } },
  { name: 'mooncake', knobs: { rate: 2, seconds: 1200 } },
  { name: 's-lora', knobs: { rate: 30 } },
  { name: 'llm-d-15', knobs: { rate: 30 } },
  { name: 'flip', knobs: { rate: 60, 'period-seconds': 80 } },
  { name: 'flash-crowd', knobs: { rate: 30 } },
  { name: 'abuser', knobs: { rate: 60 } },
]

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    only: { type: 'string' },
    policies: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
})
const only = values.only?.split(',')
const others = values.policies?.split(',') ?? rulesOfOthers
const given = values.seconds === undefined ? {} : { seconds: Number(values.seconds) }
let worst = Infinity

async function caseOf({ name, knobs }: WorkloadCase): Promise<CapacityCase> {
  const { tape } = await tapeOf({
    file: undefined,
    workload: name,
    knobs: new Map(Object.entries({ seconds: 240, ...knobs, ...given }) as [Knob, number][]),
    data: values.data,
    seed: Number(values.seed),
    workingFolder: process.cwd(),
  })
  const one: CapacityCase = {
    name,
    tapeAt: (load) => scaledTape(tape, load),
    from: 0.5,
    slots: 32,
    hostMemory: 1024,
  }
  return { ...one, wanted: play(one, 'loraplex', 0.025).attainment - 0.01 }
}

for (const workload of cases.filter(({ name }) => only?.includes(name) ?? true)) {
  if (['azure', 'mooncake'].includes(workload.name) && values.data === undefined) {
    process.stdout.write(`${workload.name}: left out, it needs --data\n`)
    continue
  }
  const one = await caseOf(workload)
  const wanted = one.wanted ?? 0
  process.stdout.write(`${workload.name}, ${(wanted * 100).toFixed(1)} % wanted\n`)
  const found = new Map(
    [...others, 'loraplex'].map((rule) => {
      const { load, outcome } = findCapacity(one, rule)
      process.stdout.write(
        `  ${rule.padEnd(16)} ${(outcome?.offeredPerSecond ?? 0).toFixed(1).padStart(7)} requests/s\n`,
      )
      return [rule, load]
    }),
  )
  const ours = found.get('loraplex') ?? 0
  const best = Math.max(...others.map((rule) => found.get(rule) ?? 0))
  worst = Math.min(worst, ours / best)
  process.stdout.write(
    `  ${(ours / best).toFixed(2)} × the best of the others (bar 0.98: ${ours / best >= 0.98 ? 'met' : 'missed'})\n`,
  )
}
process.stdout.write(`worst: ${worst.toFixed(2)} ×\n`)
