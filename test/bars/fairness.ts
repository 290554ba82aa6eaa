// What a tenant has of a pool beside a greedy neighbour, with one gateway and with four.
//   node bin/run.mjs test/bars/fairness.ts [--gateways 1,4] [--seconds 14] [--only neighbour,weights,throughput,many,slots,simulated]
// Without `--only`: all but `slots` and `simulated`, in eight minutes. `simulated` is the neighbour in simulated time, with
// thousands of requests and with two engines; it needs no quiet machine.
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { FairnessBed, type BedTenant } from '../support/fairness-bed.ts'
import { TenantLoad, type TenantCalls } from '../support/tenant-load.ts'
import { victimBesideGreedy } from '../support/victim-beside-greedy.ts'

/** An engine of 16 requests at once, 25 tokens a stream: a place becomes free every 66 ms. */
const engine = { maxNumSeqs: 16, stepMs: 40, maxLoras: 4, isFifo: false } as const
/** Who came first has had more by the time that all are there, and the counters see to it that the others catch up. */
const warmUpMs = 12_000

/** Requests a second of one of two tenants, with 25 tokens and one step for the prompt: half of what the engine can do. */
const share = (engine.maxNumSeqs / (26 * (engine.stepMs + 1.6)) / 2) * 1000

/** Of its own share. At all of it, a Poisson stream's queue has no end, whatever the neighbour does. */
const victimPart = 0.7

export interface FairnessOptions {
  readonly gateways: number
  readonly seconds: number
}

export interface NeighbourFigures {
  readonly atShareMs: number
  readonly atTenTimesMs: number
  readonly ratio: number
  readonly victims: number
  readonly refusedNeighbours: number | undefined
}

/** p99 of a victim's time to first token, its neighbour at its share and at ten times that. */
export async function neighbour(options: FairnessOptions, adapters = 0): Promise<NeighbourFigures> {
  const atShare = await victimBeside(options, adapters, share)
  const atTenTimes = await victimBeside(options, adapters, share * 10)
  return {
    atShareMs: percentile(atShare.firstByteMs, 0.99),
    atTenTimesMs: percentile(atTenTimes.firstByteMs, 0.99),
    ratio: percentile(atTenTimes.firstByteMs, 0.99) / percentile(atShare.firstByteMs, 0.99),
    victims: atTenTimes.firstByteMs.length,
    refusedNeighbours: atTenTimes.refused,
  }
}

async function victimBeside(
  { gateways, seconds }: FairnessOptions,
  adapters: number,
  perSecond: number,
): Promise<{ readonly firstByteMs: readonly number[]; readonly refused: number }> {
  const tenants = [aTenant('victim', 1, Math.min(adapters, 1)), aTenant('greedy', 1, adapters)]
  await using bed = await FairnessBed.start({ ...engine, gateways, tenants })
  await using load = new TenantLoad(bed.urls)
  load.open(callsOf(tenants[1] ?? aTenant('greedy'), [10, 40]), perSecond, 2)
  load.open(callsOf(tenants[0] ?? aTenant('victim'), [10, 40]), share * victimPart, 1)
  await delay(warmUpMs)
  const before = load.recordOf('victim').firstByteMs.length
  await delay(seconds * 1000)
  const refusals = [...load.recordOf('greedy').refusals.values()]
  return {
    firstByteMs: load.recordOf('victim').firstByteMs.slice(before),
    refused: refusals.reduce((sum, count) => sum + count, 0),
  }
}

export interface ShareFigures {
  /** By tenant: what it got, by what its weight promises it. */
  readonly ratios: readonly number[]
  /** How far the one furthest from 1 is. */
  readonly error: number
  readonly tokensPerSecond: number
  readonly longestGapMs: number
}

/** Tenants that always want more, each third with other lengths of answers where they are few. */
export async function shares(
  { gateways, seconds }: FairnessOptions,
  tenants: readonly BedTenant[],
  callersEach: number,
  isFifo = false,
): Promise<ShareFigures> {
  await using bed = await FairnessBed.start({ ...engine, isFifo, gateways, tenants })
  await using load = new TenantLoad(bed.urls)
  const lengths = [
    [10, 40],
    [5, 15],
    [30, 60],
  ] as const
  for (const [at, tenant] of tenants.entries()) {
    const tokens = tenants.length > lengths.length ? undefined : lengths[at]
    load.closed(callsOf(tenant, tokens ?? [10, 40]), callersEach, at * 1000)
  }
  await delay(warmUpMs)
  const fromMs = performance.now()
  await delay(seconds * 1000)
  const toMs = performance.now()
  const weights = tenants.reduce((sum, { weight }) => sum + weight, 0)
  const served = tenants.map(({ name }) => load.recordOf(name).served(fromMs, toMs))
  const total = served.reduce((sum, cost) => sum + cost, 0)
  const ratios = tenants.map(({ weight }, at) => (served[at] ?? 0) / total / (weight / weights))
  const gaps = tenants.map(({ name }) => load.recordOf(name).longestGapMs(fromMs, toMs))
  return {
    ratios,
    error: Math.max(...ratios.map((ratio) => Math.abs(ratio - 1))),
    tokensPerSecond: total / seconds,
    longestGapMs: Math.max(...gaps),
  }
}

/** 1 where all have the same, 1/n where one has all. */
export function jainIndex(values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0)
  const squares = values.reduce((total, value) => total + value * value, 0)
  return (sum * sum) / (values.length * squares)
}

export function aTenant(name: string, weight = 1, adapters = 0): BedTenant {
  return { name, weight, adapters }
}

export const weighted: readonly BedTenant[] = [1, 2, 4].map((weight) =>
  aTenant(`weight-${weight}`, weight),
)

function callsOf({ name, adapters }: BedTenant, tokens: readonly [number, number]): TenantCalls {
  const own = Array.from({ length: adapters }, (_, at) => `a${at}`)
  return { tenant: name, models: own.length === 0 ? ['base'] : own, tokens }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      gateways: { type: 'string', default: '1,4' },
      seconds: { type: 'string', default: '14' },
      only: { type: 'string', default: 'neighbour,weights,throughput,many' },
    },
  })
  const wanted = new Set(values.only.split(','))
  for (const gateways of values.gateways.split(',').map(Number)) {
    const options = { gateways, seconds: Number(values.seconds) }
    console.log(
      `${gateways} gateways, ${options.seconds} s each, the neighbour and 50 tenants three times that`,
    )
    for (const [name, measure] of Object.entries(measures)) {
      if (wanted.has(name)) {
        await measure(options)
      }
    }
  }
}

const measures: Readonly<Record<string, (options: FairnessOptions) => Promise<void>>> = {
  neighbour: async (options) => sayNeighbour('the base', await neighbour(longer(options, 3))),
  slots: async (options) =>
    sayNeighbour('twelve adapters for four slots', await neighbour(longer(options, 3), 12)),
  weights: async (options) => {
    const { ratios, error, longestGapMs } = await shares(options, weighted, 24)
    const each = ratios.map((ratio) => ratio.toFixed(3)).join(', ')
    say('shares by weights 1, 2, 4', `${each}: off by ${percent(error)}`, '5 %', error <= 0.05)
    say('longest time unserved', `${longestGapMs.toFixed(0)} ms`, '1 s', longestGapMs <= 1000)
  },
  throughput: async (options) => {
    const fair = await shares(options, weighted, 24)
    const fifo = await shares(options, weighted, 24, true)
    const ratio = fair.tokensPerSecond / fifo.tokensPerSecond
    say('throughput by that of FIFO', ratio.toFixed(4), '0.99', ratio >= 0.99)
  },
  many: async (options) => {
    // `secretOf` pads names with zeros: none may be another one's with zeros behind.
    const tenants = Array.from({ length: 50 }, (_, at) => aTenant(`t${at}x`))
    // Each of them gets a request about every four seconds.
    const { ratios, longestGapMs } = await shares(longer(options, 3), tenants, 2)
    const jain = jainIndex(ratios)
    say('Jain of 50 tenants', jain.toFixed(4), '0.98', jain >= 0.98)
    console.log(`    longest time unserved of one of 50: ${longestGapMs.toFixed(0)} ms`)
  },
  simulated: async ({ gateways }) => {
    for (const engines of [1, 2]) {
      const figures = await victimBesideGreedy({
        gateways,
        engines,
        seeds: 8,
        seconds: 200 / engines,
      })
      sayNeighbour(`simulated, ${engines} engines`, { ...figures, refusedNeighbours: undefined })
    }
  },
}

function longer(options: FairnessOptions, times: number): FairnessOptions {
  return { ...options, seconds: options.seconds * times }
}

function sayNeighbour(words: string, figures: NeighbourFigures): void {
  const { atShareMs, atTenTimesMs, ratio, victims, refusedNeighbours } = figures
  const both = `${atTenTimesMs.toFixed(0)} / ${atShareMs.toFixed(0)} ms = ${ratio.toFixed(2)}`
  say(`victim's p99 TTFT, ${words}`, both, '1.2', ratio <= 1.2)
  console.log(`    ${victims} requests; the neighbour was refused ${refusedNeighbours ?? 'some'}`)
}

function say(what: string, figure: string, bar: string, isMet: boolean): void {
  console.log(`  ${isMet ? 'ok    ' : 'MISSED'} ${what}: ${figure} (bar ${bar})`)
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

if (process.argv[1]?.endsWith('fairness.ts') === true) {
  await main()
}
