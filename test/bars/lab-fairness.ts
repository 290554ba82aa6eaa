// Rules of fairness beside each other, in the lab: who was served how unevenly, and at what throughput.
//   node bin/run.mjs test/bars/lab-fairness.ts [--quick] [--replicas 1,8] [--seconds 600] [--seed 1]
//     [--only arena,abusive,azure,weights] [--rules vtc,dlpm,rpm,...] [--route least-requests|ours] [--data FOLDER]
// All rules take a minute of a quiet core with one replica, and a quarter of an hour with eight: --rules takes a few, beside
// FCFS and ours.
// FOLDER holds azure-llm-2023-conv.csv and -code.csv: AzureLLMInferenceTrace_*.csv of github.com/Azure/AzurePublicDataset.
import { parseArgs } from 'node:util'
import { LabGateways } from '../support/lab-gateways.ts'
import { quantile } from '../support/service.ts'
import type { EngineCosts } from '../../src/core/route-cost.ts'
import type { ModelOptions } from '../../src/sim/model-types.ts'
import { h100Llama8b } from '../../src/sim/profile.ts'
import type { LabRequest } from '../../src/sim/lab/lab-request.ts'
import { vtcBasic } from '../../src/sim/lab/policies/aibrix.ts'
import { ours } from '../../src/sim/lab/policies/ours.ts'
import { leastRequests } from '../../src/sim/lab/policies/simple.ts'
import type { RoutePolicy } from '../../src/sim/lab/policy.ts'
import { Dlpm } from '../../src/sim/lab/queues/dlpm.ts'
import { FairShareOrder } from '../../src/sim/lab/queues/fair-share-order.ts'
import { FirstCome } from '../../src/sim/lab/queues/first-come.ts'
import { RequestsPerMinute } from '../../src/sim/lab/queues/requests-per-minute.ts'
import { SecondOffer } from '../../src/sim/lab/queues/second-offer.ts'
import { SlackOrder } from '../../src/sim/lab/queues/slack-order.ts'
import type { WeightOf } from '../../src/sim/lab/queues/tenant-order.ts'
import { TenantQueue } from '../../src/sim/lab/queues/tenant-queue.ts'
import { Vtc } from '../../src/sim/lab/queues/vtc.ts'
import type { RequestQueue } from '../../src/sim/lab/request-queue.ts'
import { runLab } from '../../src/sim/lab/run-lab.ts'
import { serviceGap, type ServiceGap } from '../../src/sim/lab/service-gap.ts'
import { WaitingLines } from '../../src/sim/lab/waiting-lines.ts'
import { withPlaces } from '../../src/sim/lab/with-places.ts'
import {
  abusiveTape,
  arenaTape,
  azureTape,
  weightedTape,
  type FairnessTape,
  type TapeSize,
} from '../support/fairness-tapes.ts'

/** One H100 as in the public runs: 32 slots of rank 16, and what they leave of the KV cache. */
const engine: ModelOptions = {
  profile: h100Llama8b,
  maxLoras: 32,
  maxCpuLoras: 64,
  maxNumSeqs: 256,
  maxNumBatchedTokens: 2048,
  kvTokens: h100Llama8b.kvTokens - h100Llama8b.kvTokensPerSlotRank * 16 * 32,
}

const costs: EngineCosts = {
  ...h100Llama8b,
  perPromptTokenMs: h100Llama8b.perPrefillTokenMs,
  loadMs: h100Llama8b.diskToHostMs + h100Llama8b.hostToSlotMs,
}

/** Where requests go, whoever is next. */
function routeOf(): RoutePolicy {
  return values.route === 'ours' ? ours({ costs }) : leastRequests()
}

/**
 * Tokens by weight that a tenant may be behind before its requests leave the replicas where its adapter belongs. Half of
 * what FairShare lets anybody be behind: at 2,048 nothing is left of the plan, at 31,000 the gap doubles.
 */
const strayAfter = 16_384

/** Left out at the start: queues have to form. */
const warmUpMs = 60_000

/** How many gateways share a fleet, each with counters of its own. */
const gatewayCounts = [1, 2, 4]

interface Discipline {
  readonly name: string
  readonly queue: RequestQueue
  readonly policy: RoutePolicy
}

interface Row extends ServiceGap {
  readonly name: string
  readonly victimP99Ms: number
  readonly refused: number
  readonly wallMs: number
}

/** FCFS first, ours last: they are compared. */
function disciplinesFor(tape: FairnessTape, seed: number): readonly Discipline[] {
  const { weightOf, perMinute, isHopeless } = tape
  const held = (queue: RequestQueue, name = queue.name): Discipline => ({
    name,
    queue,
    policy: withPlaces(routeOf()),
  })
  const atOnce = [
    { name: 'no queue', queue: new WaitingLines(), policy: leastRequests() },
    { name: 'aibrix-vtc', queue: new WaitingLines(), policy: vtcBasic() },
  ]
  const gateways = gatewayCounts.map((count) => new LabGateways(count, weightOf, seed))
  const all = [
    held(new TenantQueue(new FirstCome())),
    ...(isHopeless ? [] : atOnce),
    held(new WaitingLines()),
    held(new TenantQueue(new SlackOrder(h100Llama8b.perPrefillTokenMs))),
    held(new TenantQueue(new RequestsPerMinute(perMinute))),
    held(new TenantQueue(new RequestsPerMinute(2 * perMinute))),
    held(new TenantQueue(new Dlpm({ weightOf }))),
    held(new TenantQueue(new Vtc(weightOf))),
    {
      ...held(new TenantQueue(new FairShareOrder(weightOf)), 'prompts held'),
      policy: withPlaces(routeOf(), { promptTokens: 4 * engine.maxNumBatchedTokens }),
    },
    ...gateways.map((queue) => ({ name: queue.name, queue, policy: queue.policy })),
    ...(values.route === 'ours'
      ? planned(weightOf)
      : [held(new TenantQueue(new FairShareOrder(weightOf)))]),
  ]
  const chosen = values.rules.split(',')
  return all.filter(
    ({ name }, at) =>
      values.rules === '' ||
      at === 0 ||
      at === all.length - 1 ||
      (values.route === 'ours' && at >= all.length - 3) ||
      chosen.some((rule) => name.startsWith(rule)),
  )
}

/** Where adapters are at few replicas: FCFS that knows of none, ours kept to the plan, and ours as it is meant. */
function planned(weightOf: WeightOf): readonly Discipline[] {
  const order = new FairShareOrder(weightOf)
  const queue = new SecondOffer(new TenantQueue(order))
  const mayStray = (request: LabRequest): boolean =>
    queue.isSecond || order.lagOf(request) > strayAfter
  return [
    {
      name: 'fcfs, blind',
      queue: new TenantQueue(new FirstCome()),
      policy: withPlaces(leastRequests()),
    },
    {
      name: 'no straying',
      queue: new TenantQueue(new FairShareOrder(weightOf)),
      policy: withPlaces(routeOf()),
    },
    {
      name: 'loraplex',
      queue,
      policy: withPlaces(routeOf(), { mayStray }),
    },
  ]
}

function measure(tape: FairnessTape, discipline: Discipline, size: TapeSize): Row {
  const { queue, policy, name } = discipline
  const startedMs = performance.now()
  const { replicas, seed } = size
  const run = runLab({ tape: tape.tape, policy, queue, replicas, engine, seed })
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
  const rows = disciplinesFor(tape, size.seed).map((discipline) => {
    const row = measure(tape, discipline, size)
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
