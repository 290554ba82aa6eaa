// What gateways learn of an engine from their own streams, beside what the simulated engine really takes: over sockets, with
// its real agent, several gateways that each see a part of the streams.
//   node bin/run.mjs test/bars/engine-cost-fit.ts [--gateways 2] [--seconds 120]
// The simulator, the gateways and their callers share a process: what it is late by is learned, too.
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { EngineCosts } from '../../src/core/route-cost.ts'
import { FairnessBed } from '../support/fairness-bed.ts'
import { randomFrom } from '../support/random-from.ts'
import { TenantLoad } from '../support/tenant-load.ts'

const truth = {
  stepMs: 30,
  perRequestMs: 0.5,
  perAdapterMs: 3,
  perPromptTokenMs: 0.2,
} satisfies Partial<EngineCosts>

/** Each with a load of its own. */
const phaseMs = 12_000
/** Of what a step takes at this load, learned against real. */
const bar = 0.1
const typical = { running: 16, adapters: 6 }

const { values } = parseArgs({
  options: {
    gateways: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '120' },
  },
})

const adapters = 8
await using bed = await FairnessBed.start({
  gateways: Number(values.gateways),
  tenants: [{ name: 'acme', weight: 1, adapters }],
  maxNumSeqs: 64,
  maxLoras: adapters,
  stepMs: truth.stepMs,
  profile: {
    perRequestMs: truth.perRequestMs,
    perAdapterMs: truth.perAdapterMs,
    perPrefillTokenMs: truth.perPromptTokenMs,
    freePrefillTokens: 0,
  },
  isFifo: false,
})

const random = randomFrom(1)
const endMs = performance.now() + Number(values.seconds) * 1000
while (performance.now() < endMs) {
  await using load = new TenantLoad(bed.urls)
  const distinct = 1 + Math.floor(random() * adapters)
  const models = Array.from({ length: distinct }, (_, at) => `a${at}`)
  load.open({ tenant: 'acme', models, tokens: [40, 80], promptWords: 300 }, 1 + 11 * random(), 1)
  await delay(phaseMs)
}

function stepOf({ stepMs, perRequestMs, perAdapterMs }: Omit<EngineCosts, 'loadMs'>): number {
  return stepMs + perRequestMs * typical.running + perAdapterMs * typical.adapters
}

const real = stepOf(truth)
console.log(
  `simulated: ${JSON.stringify(truth)}; a step of ${typical.running} requests of ${typical.adapters} adapters ${real} ms`,
)
for (const [at, gateway] of bed.gateways.entries()) {
  for (const { admission } of gateway.pools.values()) {
    const { costs, evidence } = admission.costs
    const error = costs === undefined ? Number.POSITIVE_INFINITY : stepOf(costs) / real - 1
    const isKept = Math.abs(error) <= bar
    console.log(
      `gateway ${at}: ${JSON.stringify(costs, rounded)} of ${JSON.stringify(evidence)}; that step off by ${(100 * error).toFixed(1)} %, bar ${100 * bar} %: ${isKept ? 'kept' : 'MISSED'}`,
    )
    process.exitCode = isKept ? process.exitCode : 1
  }
}

function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(3)) : value
}
