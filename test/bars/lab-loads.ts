// Adapters read from disk by a fleet whose host memory holds a part of them, by routing rule, in the lab.
//   node bin/run.mjs test/bars/lab-loads.ts [--seconds 900] [--quick] [--rules A,B] [--seed 1] [--rate 50]
// Bars: 10 × fewer than with llm-d's lora-affinity where popularity is skewed (Zipf 1), and none in steady state: every adapter
// that is asked for is in some host memory, and stays there. The first half of the tape is left out as warm-up, and what
// happens when nobody calls any more.
import process from 'node:process'
import { parseArgs } from 'node:util'
import { labCosts, labEngine } from '../../src/sim/lab/lab-engine.ts'
import { outcomeOf } from '../../src/sim/lab/outcome.ts'
import { policyNamed } from '../../src/sim/lab/policy-names.ts'
import { runLab } from '../../src/sim/lab/run-lab.ts'
import { syntheticTape } from '../../src/sim/lab/workloads/synthetic.ts'
import { h100Llama8b } from '../../src/sim/profile.ts'
import { objective } from '../support/capacity-search.ts'

const replicas = 8

interface Loads {
  readonly perSecond: number
  readonly count: number
  readonly attainment: number
}

function loadsOf(rule: string, adapters: number, hostMemory: number, seconds: number): Loads {
  const tape = syntheticTape({
    adapters,
    zipf: 1,
    rate: Number(values.rate),
    seconds,
    seed: Number(values.seed),
  })
  const engine = labEngine({
    profile: h100Llama8b,
    maxLoras: 32,
    maxCpuLoras: hostMemory,
    maxLoraRank: 16,
    maxNumSeqs: 1024,
    maxNumBatchedTokens: 2048,
  })
  const policy = policyNamed(rule, {
    costs: labCosts(engine),
    objective,
    kvTokens: engine.kvTokens,
  })
  if (policy === undefined) {
    throw new Error(`no policy ${rule}`)
  }
  const warmUpMs = (seconds * 1000) / 2
  const endMs = seconds * 1000
  let before = 0
  let after = 0
  const run = runLab({
    tape,
    policy,
    replicas,
    engine,
    seed: 1,
    observer: {
      observe: (nowMs, fleet) => {
        const reads = fleet.reduce((sum, { diskReads }) => sum + diskReads, 0)
        before = nowMs <= warmUpMs ? reads : before
        after = nowMs <= endMs ? reads : after
      },
    },
  })
  const count = after - before
  const { attainment } = outcomeOf(run, objective, warmUpMs)
  return { count, perSecond: count / (seconds / 2), attainment }
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '900' },
    quick: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    rate: { type: 'string', default: '50' },
    rules: {
      type: 'string',
      default: 'least-requests,llm-d,llm-d-lora-1,llm-d-lora-4,toppings,loraplex',
    },
  },
})
const seconds = values.quick ? 300 : Number(values.seconds)
const rules = values.rules.split(',')
for (const [adapters, hostMemory] of [
  [512, 96],
  [512, 128],
  [256, 64],
] as const) {
  process.stdout.write(
    `${adapters} adapters, ${replicas} host memories of ${hostMemory}, Zipf 1, ${values.rate} requests/s\n`,
  )
  const seen = new Map(
    rules.map((rule) => [rule, loadsOf(rule, adapters, hostMemory, seconds)] as const),
  )
  for (const [rule, { count, perSecond, attainment }] of seen) {
    process.stdout.write(
      `  ${rule.padEnd(16)} ${String(count).padStart(6)} reads, ${perSecond.toFixed(2)} a second; ${(attainment * 100).toFixed(1)} % within the objective\n`,
    )
  }
  const ours = seen.get('loraplex')?.count
  const affinity = Math.min(
    ...['llm-d-lora-1', 'llm-d-lora-4'].map((rule) => seen.get(rule)?.count ?? Infinity),
  )
  if (ours !== undefined && Number.isFinite(affinity)) {
    const times = ours === 0 ? `${affinity} reads to none` : `${(affinity / ours).toFixed(1)} ×`
    const met = affinity >= 10 * ours ? 'met' : 'missed'
    process.stdout.write(`  lora-affinity by ours: ${times} (bar 10 ×: ${met})\n`)
  }
  if (ours !== undefined) {
    process.stdout.write(
      `  steady state: ${ours} reads (bar 0: ${ours === 0 ? 'met' : 'missed'})\n`,
    )
  }
}
