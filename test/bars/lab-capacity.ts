// Load that a fleet of eight replicas carries with 99 % of its requests within 1 s to the first token and 50 ms a token, by routing
// rule, in the lab.
//   node bin/run.mjs test/bars/lab-capacity.ts [--quick] [--seconds 240] [--seeds 1] [--only 128,512,cheap] [--policies A,B]
// Bars: 2.3 × the best adapter-blind rule at 128 adapters, 1.6 × at 512, 1.2 × where an adapter costs a fifth; never more than 2 %
// below the best rule of all. Adapter-blind: random, round-robin, least-requests, power-of-two. The same tape for every rule.
import process from 'node:process'
import { parseArgs } from 'node:util'
import { syntheticTape } from '../../src/sim/lab/workloads/synthetic.ts'
import { h100Llama8b } from '../../src/sim/profile.ts'
import { findCapacity, type CapacityCase } from '../support/capacity-search.ts'

const blind = ['random', 'round-robin', 'least-requests', 'power-of-two']
const others = [
  'rendezvous',
  'chwbl',
  'llm-d',
  'llm-d-lora-1',
  'llm-d-lora-4',
  'vtc-basic',
  'preble',
  'dynamo-hrw',
  'lmetric',
  'toppings',
]

/** Where a further adapter costs a fifth, as with kernels of another generation. */
const cheapAdapters = {
  ...h100Llama8b,
  name: 'h100-llama-8b, adapters at a fifth',
  perAdapterMs: h100Llama8b.perAdapterMs / 5,
  perAdapterRequestMs: (h100Llama8b.perAdapterRequestMs ?? 0) / 5,
  perAdapterSlotMs: (h100Llama8b.perAdapterSlotMs ?? 0) / 5,
}

interface Group {
  readonly key: string
  readonly adapters: number
  readonly slots: number
  readonly isCheap: boolean
  readonly bar: number
}

const groups: readonly Group[] = [
  { key: '128', adapters: 128, slots: 32, isCheap: false, bar: 2.3 },
  { key: '128', adapters: 128, slots: 64, isCheap: false, bar: 2.3 },
  { key: '128', adapters: 128, slots: 128, isCheap: false, bar: 2.3 },
  { key: '512', adapters: 512, slots: 32, isCheap: false, bar: 1.6 },
  { key: '512', adapters: 512, slots: 64, isCheap: false, bar: 1.6 },
  { key: '512', adapters: 512, slots: 128, isCheap: false, bar: 1.6 },
  { key: 'cheap', adapters: 128, slots: 64, isCheap: true, bar: 1.2 },
  { key: 'cheap', adapters: 512, slots: 64, isCheap: true, bar: 1.2 },
]

function caseOf(group: Group, seconds: number, seed: number): CapacityCase {
  const { adapters, slots, isCheap } = group
  return {
    name: `${adapters} adapters, ${slots} slots${isCheap ? ', adapters at a fifth' : ''}`,
    tapeAt: (rate) => syntheticTape({ adapters, zipf: 1, rate, seconds, seed }),
    from: 50,
    slots,
    hostMemory: adapters,
    ...(isCheap ? { profile: cheapAdapters } : {}),
  }
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '240' },
    seeds: { type: 'string', default: '1' },
    only: { type: 'string', default: '128,512,cheap' },
    policies: { type: 'string' },
  },
})
const quickRules = ['least-requests', 'toppings', 'loraplex']
const rules =
  values.policies?.split(',') ?? (values.quick ? quickRules : [...blind, ...others, 'loraplex'])
const seconds = values.quick ? 150 : Number(values.seconds)
const chosen = groups.filter(
  ({ key, slots }) =>
    values.only.split(',').includes(key) && (!values.quick || slots === 32 || key === 'cheap'),
)

function capacityOf(rule: string, group: Group): number {
  const seeds = Array.from({ length: Number(values.seeds) }, (_, at) => at + 1)
  const sum = seeds.reduce(
    (total, seed) => total + findCapacity(caseOf(group, seconds, seed), rule).load,
    0,
  )
  return sum / seeds.length
}

for (const group of chosen) {
  const found = new Map<string, number>()
  process.stdout.write(`${caseOf(group, seconds, 1).name}\n`)
  for (const rule of rules) {
    const load = capacityOf(rule, group)
    found.set(rule, load)
    process.stdout.write(`  ${rule.padEnd(16)} ${load.toFixed(1).padStart(7)} requests/s\n`)
  }
  const ours = found.get('loraplex')
  const most = (names: readonly string[]): number =>
    Math.max(0, ...names.map((name) => found.get(name) ?? 0))
  const [bestBlind, best] = [most(blind), most([...blind, ...others])]
  if (ours !== undefined && bestBlind > 0) {
    const met = ours / bestBlind >= group.bar ? 'met' : 'missed'
    process.stdout.write(
      `  ${(ours / bestBlind).toFixed(2)} × adapter-blind (bar ${group.bar}: ${met})\n`,
    )
  }
  if (ours !== undefined && best > 0) {
    const met = ours / best >= 0.98 ? 'met' : 'missed'
    process.stdout.write(
      `  ${(ours / best).toFixed(2)} × the best of the others (bar 0.98: ${met})\n`,
    )
  }
}
