// How many requests a second of CPU the lab plays on one core, with eight replicas.
//   node bin/run.mjs test/bars/lab-speed.ts [--seconds 600] [--rate 100] [--adapters 128] [--policies least-requests,…]
// Bar: 20,000. CPU time of the process while the tape is played, the making of the tape left out; the first policy also pays for
// the compiling of the code.
import process from 'node:process'
import { parseArgs } from 'node:util'
import { labCosts, labEngine } from '../../src/sim/lab/lab-engine.ts'
import { outcomeOf } from '../../src/sim/lab/outcome.ts'
import { policyNamed } from '../../src/sim/lab/policy-names.ts'
import { runLab } from '../../src/sim/lab/run-lab.ts'
import { syntheticTape } from '../../src/sim/lab/workloads/synthetic.ts'
import { h100Llama8b } from '../../src/sim/profile.ts'

const bar = 20_000

export interface LabSpeed {
  readonly policy: string
  readonly requests: number
  readonly cpuSeconds: number
  readonly perSecond: number
  readonly attainment: number
}

export interface LabSpeedOptions {
  readonly policy: string
  readonly seconds: number
  /** Requests a second of virtual time. */
  readonly rate: number
  readonly adapters: number
}

export function labSpeed({ policy: name, seconds, rate, adapters }: LabSpeedOptions): LabSpeed {
  const tape = syntheticTape({ adapters, zipf: 1, rate, seconds, seed: 1 })
  const engine = labEngine({
    profile: h100Llama8b,
    maxLoras: 32,
    maxCpuLoras: Math.max(32, adapters),
    maxLoraRank: 16,
    maxNumSeqs: 256,
    maxNumBatchedTokens: 2048,
  })
  const objective = { ttftMs: 1000, tpotMs: 50 }
  const context = { costs: labCosts(engine), objective, kvTokens: engine.kvTokens }
  const policy = policyNamed(name, context)
  if (policy === undefined) {
    throw new Error(`no policy ${name}`)
  }
  const before = process.cpuUsage()
  const run = runLab({ tape, policy, replicas: 8, engine, seed: 1 })
  const { user, system } = process.cpuUsage(before)
  const cpuSeconds = (user + system) / 1e6
  return {
    policy: name,
    requests: tape.length,
    cpuSeconds,
    perSecond: tape.length / cpuSeconds,
    attainment: outcomeOf(run, objective, 0).attainment,
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '600' },
      rate: { type: 'string', default: '100' },
      adapters: { type: 'string', default: '128' },
      policies: { type: 'string', default: 'least-requests,llm-d-lora-4,loraplex,toppings' },
    },
  })
  for (const policy of values.policies.split(',')) {
    const speed = labSpeed({
      policy,
      seconds: Number(values.seconds),
      rate: Number(values.rate),
      adapters: Number(values.adapters),
    })
    const met = speed.perSecond >= bar ? 'met' : 'missed'
    process.stdout.write(
      `${policy}: ${speed.requests} requests in ${speed.cpuSeconds.toFixed(2)} s of CPU: ${Math.round(speed.perSecond)} a second, bar ${bar} ${met}; ${(speed.attainment * 100).toFixed(1)} % within the objective\n`,
    )
  }
}
