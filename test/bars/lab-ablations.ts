// What each part of our routing is good for: load that eight replicas carry with a part left out, in the lab.
//   node bin/run.mjs test/bars/lab-ablations.ts [--seconds 240]
import process from 'node:process'
import { parseArgs } from 'node:util'
import { labCosts } from '../../src/sim/lab/lab-engine.ts'
import { ours, type OursOptions } from '../../src/sim/lab/policies/ours.ts'
import { syntheticTape } from '../../src/sim/lab/workloads/synthetic.ts'
import { engineOf, findCapacity, type CapacityCase } from '../support/capacity-search.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '240' } } })
const seconds = Number(values.seconds)

const variants: readonly { readonly name: string; readonly options: Partial<OursOptions> }[] = [
  { name: 'all of it', options: {} },
  { name: 'without the pace seen', options: { withSeenPace: false } },
  { name: 'without the term for adapters', options: { isAdapterBlind: true } },
  { name: 'nothing learned yet', options: { costs: undefined } },
]

for (const [adapters, slots] of [
  [15, 32],
  [128, 32],
  [128, 64],
  [512, 64],
] as const) {
  const one: CapacityCase = {
    name: `${adapters} adapters, ${slots} slots`,
    tapeAt: (rate) => syntheticTape({ adapters, zipf: 1, rate, seconds, seed: 1 }),
    from: 50,
    slots,
    hostMemory: adapters,
  }
  const costs = labCosts(engineOf(one))
  process.stdout.write(`${one.name}\n`)
  for (const { name, options } of variants) {
    const { load, outcome } = findCapacity(one, () => ours({ costs, ...options }))
    process.stdout.write(
      `  ${name.padEnd(30)} ${load.toFixed(1).padStart(7)} requests/s, ${outcome?.meanActive.toFixed(1) ?? '-'} adapters a replica\n`,
    )
  }
}
