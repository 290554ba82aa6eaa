// What each part of our routing is good for: load that eight replicas carry with a part left out, in the lab.
//   node bin/run.mjs test/bars/lab-ablations.ts [--seconds 240]
import process from 'node:process'
import { parseArgs } from 'node:util'
import { ablationNames } from '../../src/sim/lab/policy-names.ts'
import { syntheticTape } from '../../src/sim/lab/workloads/synthetic.ts'
import { findCapacity, type CapacityCase } from '../support/capacity-search.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '240' } } })
const seconds = Number(values.seconds)

for (const [adapters, slots, hostMemory] of [
  [15, 32, 15],
  [128, 32, 128],
  [128, 64, 128],
  [128, 16, 48],
  [512, 64, 512],
] as const) {
  const one: CapacityCase = {
    name: `${adapters} adapters, ${slots} slots, ${hostMemory} in host memory`,
    tapeAt: (rate) => syntheticTape({ adapters, zipf: 1, rate, seconds, seed: 1 }),
    from: 50,
    slots,
    hostMemory,
  }
  process.stdout.write(`${one.name}\n`)
  for (const name of ['loraplex', ...ablationNames]) {
    const { load, outcome } = findCapacity(one, name)
    process.stdout.write(
      `  ${name.padEnd(26)} ${load.toFixed(1).padStart(7)} requests/s, ${outcome?.meanActive.toFixed(1) ?? '-'} adapters a replica, ${outcome?.diskReads ?? '-'} reads from disk\n`,
    )
  }
}
