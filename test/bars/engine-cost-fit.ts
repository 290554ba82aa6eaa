// What a gateway learns of an engine from its streams, beside what the engine takes: the simulator's model of Llama 8B on one
// H100 in virtual time, so the same figures in each run. Half of the time it learns; in the other half it is asked
// beforehand how fast each stream will be.
//   node bin/run.mjs test/bars/engine-cost-fit.ts [--minutes 20] [--seed 1]
import process from 'node:process'
import { parseArgs } from 'node:util'
import { EngineCostFit } from '../../src/core/engine-cost-fit.ts'
import { Pace } from '../../src/gateway/relay/pace.ts'
import { UnreadPrompts } from '../../src/gateway/replica/unread-prompts.ts'
import type { Work } from '../../src/gateway/replica/work.ts'
import type { ModelAdapter, ModelRequest } from '../../src/sim/model-types.ts'
import { VllmModel } from '../../src/sim/model.ts'
import { h100Llama8b } from '../../src/sim/profile.ts'
import { aWork } from '../support/a-work.ts'
import { randomFrom } from '../support/random-from.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
})

const slots = 32
/** The load is another one every so often. */
const phaseMs = 30_000
/** As of a gateway's view. */
const sampleEveryMs = 100
/** Mean error of streams' time per token. */
const bar = 0.05

interface Stream extends ModelRequest {
  readonly work: Work
  readonly pace: Pace
  generated: number
  /** Of the steps beside which it ran, as they were said beforehand to take. */
  saidMs: number
  firstAtMs: number
}

const random = randomFrom(Number(values.seed))
const between = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1))
const endMs = Number(values.minutes) * 60_000
const fit = new EngineCostFit()
const unread = new UnreadPrompts()
const adapters = Array.from({ length: slots }, (_, id): ModelAdapter => ({
  id: id + 1,
  name: `a${id}`,
  path: '',
}))
const errors: number[] = []
let nowMs = 0
let sampledAtMs = Number.NEGATIVE_INFINITY
let knownAtMs: number | undefined

const model = new VllmModel<Stream>(
  {
    profile: h100Llama8b,
    maxLoras: slots,
    maxCpuLoras: 64,
    maxNumSeqs: 256,
    maxNumBatchedTokens: 8192,
    kvTokens: h100Llama8b.kvTokens - slots * 16 * h100Llama8b.kvTokensPerSlotRank,
  },
  {
    started: () => undefined,
    readAdapter: (adapter) =>
      model.adapterRead(adapter.id, { outcome: 'Read', harm: 'None' }, nowMs),
    loaded: () => undefined,
    stepped: () => undefined,
    died: () => undefined,
    token: ({ request, generated }, atMs, last) => {
      request.generated = generated
      if (generated === 1) {
        fit.noteFirstToken(atMs - request.work.sentAtMs, request.work.tokensToRead)
        unread.read(request.work)
        request.firstAtMs = atMs
      } else if (atMs > endMs / 2) {
        request.saidMs += stepSaid()
        if (last && request.saidMs > 0 && request.firstAtMs > endMs / 2) {
          errors.push(Math.abs(request.saidMs / (atMs - request.firstAtMs) - 1))
        }
      }
      request.pace.chunk(atMs)
    },
  },
)

function engine() {
  const inFlight = model.inFlight
  const distinct = new Set(inFlight.map(({ request }) => request.adapter?.id))
  return { running: inFlight.length, adapters: distinct.size }
}

/** Nothing is learned in the second half: what is said then was known before. */
function found(ms: number, running: number, distinct: number): void {
  if (nowMs < endMs / 2) {
    fit.noteStep(ms, running, distinct)
    knownAtMs ??= fit.costs === undefined ? undefined : nowMs
  }
}

function stepSaid(): number {
  const { stepMs = 0, perRequestMs = 0, perAdapterMs = 0 } = fit.costs ?? {}
  const { running, adapters: distinct } = engine()
  return stepMs + perRequestMs * running + perAdapterMs * distinct
}

function arrive(distinct: number): void {
  const promptTokens = between(20, 800)
  const work = aWork(undefined, {
    promptTokens,
    tokensToRead: unread.tokens + promptTokens,
    sentAtMs: nowMs,
  })
  unread.add(work)
  const stream: Stream = {
    adapter: adapters[between(0, distinct - 1)],
    promptTokens,
    outputTokens: between(20, 300),
    blocks: [],
    work,
    generated: 0,
    saidMs: 0,
    firstAtMs: Number.NaN,
    pace: new Pace({
      looked: () => undefined,
      tokens: () => stream.generated,
      engine,
      isWanted: (atMs) => {
        const isDue = atMs - sampledAtMs >= sampleEveryMs
        sampledAtMs = isDue ? atMs : sampledAtMs
        return isDue
      },
      found,
    }),
  }
  model.submit(stream, nowMs)
}

let perSecond = 1
let distinct = 1
let phaseAtMs = 0
let arrivalMs = 0
while (nowMs < endMs) {
  nowMs = Math.min(arrivalMs, phaseAtMs, model.nextEventMs() ?? Number.POSITIVE_INFINITY)
  if (nowMs === phaseAtMs) {
    perSecond = 0.5 + 11.5 * random()
    distinct = between(1, slots)
    phaseAtMs += phaseMs
  } else if (nowMs === arrivalMs) {
    arrive(distinct)
    arrivalMs += (-Math.log(1 - random()) * 1000) / perSecond
  } else {
    model.advance(nowMs)
  }
}

const error = errors.reduce((sum, one) => sum + one, 0) / errors.length
const isKept = error <= bar
const { name, stepMs, perRequestMs, perAdapterMs, perSlotMs, perPrefillTokenMs } = h100Llama8b
console.log(
  `${name}: step ${stepMs + perSlotMs * slots} (with ${slots} slots), request ${perRequestMs}, adapter ${perAdapterMs}, prompt token ${perPrefillTokenMs} ms; a request’s share of others’ prompts is learned with it`,
)
console.log(
  `learned: ${JSON.stringify(fit.costs, (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(3)) : value))}`,
)
console.log(
  `known after ${((knownAtMs ?? Number.NaN) / 1000).toFixed(0)} s, of ${JSON.stringify(fit.evidence)}`,
)
console.log(
  `time per token of ${errors.length} later streams off by ${(100 * error).toFixed(1)} % in the mean, bar ${100 * bar} %: ${isKept ? 'kept' : 'MISSED'}`,
)
process.exitCode = isKept ? 0 : 1
