// Load that eight replicas carry, after a minute and a half, whose host memories take a part of the adapters, by routing
// rule, in the lab: ours from a placement that knows of no demand, the others from memories full of what is called first.
//   node bin/run.mjs test/bars/lab-memory.ts [--seconds 360] [--seed 1]
// Bar: never more than 2 % below the best rule of others.
import process from 'node:process'
import { parseArgs } from 'node:util'
import { workloads } from '../../src/sim/lab/workloads/workload-names.ts'
import { readerOf, type Knob } from '../../src/sim/lab/workloads/workload.ts'
import { findCapacity, type CapacityCase } from '../support/capacity-search.ts'

const others = ['least-requests', 'rendezvous', 'chwbl', 'llm-d-lora-4', 'toppings'] as const
const rules = [...others, 'loraplex-no-placement', 'loraplex']

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '360' }, seed: { type: 'string', default: '1' } },
})

function caseOf(name: string, adapters: number, slots: number, hostMemory: number): CapacityCase {
  const workload = workloads.find((one) => one.name === name)
  if (workload === undefined) {
    throw new Error(`no workload ${name}`)
  }
  const seconds = Number(values.seconds)
  const tapeAt = (rate: number) => {
    const knobs = { rate, adapters, seconds, 'period-seconds': seconds / 2 }
    const knob = readerOf(workload, new Map(Object.entries(knobs) as [Knob, number][]))
    return workload.make({ knob, files: [], seed: Number(values.seed) })
  }
  return {
    name: `${name}, ${adapters} adapters, ${slots} slots, host memories of ${hostMemory}`,
    tapeAt,
    from: 50,
    slots,
    hostMemory,
    // Demand takes half a minute to be known, and what queued meanwhile as long to be served.
    warmUpMs: 90_000,
  }
}

let worst = Infinity
for (const one of [
  caseOf('zipf', 128, 16, 48),
  caseOf('zipf', 128, 32, 48),
  caseOf('zipf', 256, 32, 40),
  caseOf('zipf', 256, 32, 64),
  caseOf('zipf', 512, 32, 80),
  caseOf('tenants-large', 512, 32, 80),
  caseOf('flip', 256, 32, 64),
]) {
  process.stdout.write(`${one.name}\n`)
  const found = new Map(
    rules.map((rule) => {
      const { load, outcome } = findCapacity(one, rule)
      process.stdout.write(
        `  ${rule.padEnd(22)} ${load.toFixed(1).padStart(7)} requests/s, ${outcome?.diskReads ?? '-'} reads from disk\n`,
      )
      return [rule, load]
    }),
  )
  const ratio =
    (found.get('loraplex') ?? 0) / Math.max(...others.map((rule) => found.get(rule) ?? 0))
  worst = Math.min(worst, ratio)
  process.stdout.write(
    `  ${ratio.toFixed(2)} × the best of the others (bar 0.98: ${ratio >= 0.98 ? 'met' : 'missed'})\n`,
  )
}
process.stdout.write(`worst: ${worst.toFixed(2)} ×\n`)
