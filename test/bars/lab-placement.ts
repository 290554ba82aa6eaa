// Replicas that a placement of adapters needs, beside the fewest that any could do with.
//   node bin/run.mjs test/bars/lab-placement.ts [--slack 0.1]
// Bar: 1.15 × the lower bound R_LB (core/replica-bound.ts), over all cases together; the law of a step at its mean, 50 ms a token. For a
// number of replicas copies are planned as for host memories (core/copies-plan.ts), requests of adapters with several go to the least
// loaded of them, and every replica has to stay within 50 ms a step, its slots and its KV cache.
import process from 'node:process'
import { parseArgs } from 'node:util'
import { copiesDefaults, planCopies } from '../../src/core/copies-plan.ts'
import { rankReplicas } from '../../src/core/placement.ts'
import { replicaBound } from '../../src/core/replica-bound.ts'
import { labCosts, labEngine } from '../../src/sim/lab/lab-engine.ts'
import { h100Llama8b } from '../../src/sim/profile.ts'
import { evenLoads } from '../support/even-shares.ts'

const { values } = parseArgs({
  options: { slack: { type: 'string', default: String(copiesDefaults.slack) } },
})
const tpotMs = 50
const seconds = tpotMs / 1000
const shape = { inputTokens: 220, outputTokens: 195 }
const slots = 64
const engine = labEngine({
  profile: h100Llama8b,
  maxLoras: slots,
  maxCpuLoras: 4096,
  maxLoraRank: 16,
  maxNumSeqs: 1024,
  maxNumBatchedTokens: 2048,
})
const costs = labCosts(engine)

/** Part of the time for which an adapter of so many requests a second is active. */
function activeShare(rate: number): number {
  return 1 - Math.exp(-rate * shape.outputTokens * seconds)
}

interface Demand {
  readonly adapters: number
  readonly zipf: number
  readonly rate: number
}

function ratesOf({ adapters, zipf, rate }: Demand): readonly number[] {
  const weights = Array.from({ length: adapters }, (_, rank) => (rank + 1) ** -zipf)
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight) => (rate * weight) / sum)
}

function boundOf(rates: readonly number[]): number {
  const total = rates.reduce((sum, rate) => sum + rate, 0)
  const load = {
    inputPerSecond: total * shape.inputTokens,
    outputPerSecond: total * shape.outputTokens,
    outputTokens: shape.outputTokens,
    adapterRates: rates,
  }
  return Math.ceil(replicaBound(costs, load, tpotMs))
}

/** Whether so many replicas keep every step within its time, and every engine within its slots and KV cache. */
function isEnough(rates: readonly number[], replicas: number): boolean {
  const names = Array.from({ length: replicas }, (_, at) => ({ name: `replica-${at}` }))
  const placeOf = new Map(names.map(({ name }, at) => [name, at]))
  const plan = planCopies(
    rates.map((rate, adapter) => ({ adapter, rate, most: replicas })),
    {
      ...copiesDefaults,
      slack: Number(values.slack),
      requestWork:
        costs.perRequestMs * shape.outputTokens + costs.perPromptTokenMs * shape.inputTokens,
      adapterWork: (rate) => (costs.perAdapterMs * activeShare(rate)) / seconds,
      replicas,
      isKept: () => false,
      room: () => engine.maxCpuLoras,
      ranked: (adapter) =>
        rankReplicas(`adapter-${adapter}`, names).map((name) => placeOf.get(name) ?? 0),
    },
  )
  const placed = rates.map((rate, adapter) => ({ rate, hosts: plan.get(adapter) ?? [] }))
  const requestMs =
    (costs.perRequestMs * shape.outputTokens + costs.perPromptTokenMs * shape.inputTokens) * seconds
  const steps = evenLoads(placed, {
    replicas,
    loadOf: (rate) => requestMs * rate + costs.perAdapterMs * activeShare(rate),
  })
  const actives = Array.from({ length: replicas }, () => 0)
  for (const { rate, hosts } of placed) {
    for (const host of hosts) {
      actives[host] = (actives[host] ?? 0) + activeShare(rate / hosts.length)
    }
  }
  const running = (rates.reduce((sum, rate) => sum + rate, 0) / replicas) * 195 * seconds
  const kv = running * (shape.inputTokens + shape.outputTokens)
  return (
    steps.every((ms) => costs.stepMs + ms <= tpotMs) &&
    actives.every((used) => used <= slots) &&
    kv <= engine.kvTokens
  )
}

function needOf(rates: readonly number[], bound: number): number {
  let replicas = Math.max(1, bound)
  while (!isEnough(rates, replicas)) {
    replicas += 1
  }
  return replicas
}

let needed = 0
let least = 0
let worst = 0
for (const adapters of [64, 128, 256, 512, 1024]) {
  for (const zipf of [0, 0.6, 0.9, 1, 1.2]) {
    for (const rate of [100, 200, 400]) {
      const rates = ratesOf({ adapters, zipf, rate })
      const bound = boundOf(rates)
      const replicas = needOf(rates, bound)
      needed += replicas
      least += bound
      worst = Math.max(worst, replicas / bound)
      process.stdout.write(
        `${String(adapters).padStart(5)} adapters, Zipf ${zipf.toFixed(1)}, ${rate} requests/s: ${replicas} replicas, bound ${bound}: ${(replicas / bound).toFixed(2)} ×\n`,
      )
    }
  }
}
const ratio = needed / least
process.stdout.write(
  `all: ${needed} replicas, bound ${least}: ${ratio.toFixed(3)} × (bar 1.15: ${ratio <= 1.15 ? 'met' : 'missed'}); worst ${worst.toFixed(2)} ×\n`,
)
