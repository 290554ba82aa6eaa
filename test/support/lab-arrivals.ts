import {
  createRandom,
  cumulativeOf,
  drawIndex,
  exponential,
  lengthOf,
  type Random,
} from '../../src/sim/lab/random.ts'
import type { LabRunRow } from './lab-runs.ts'

export interface Arrival {
  readonly atMs: number
  /** From 0. */
  readonly adapter: number
  readonly inputTokens: number
  readonly outputTokens: number
}

/**
 * Spread and longest of prompts: ShareGPT's as vLLM's benchmark filters them. Of answers: what the runs' KV use asks for,
 * 364 tokens a running request in all of them (357 to 371), so a mean age of 134 tokens at a mean length of 194.
 */
const inputSpread = { cv: 1.2, longest: 1024 }
const outputSpread = { cv: 0.61, longest: 1024 }

/**
 * The callers' first requests come within so long. That there is one more of each than its rate gives is in the counts (160
 * more than expected at 128 adapters, over 213 runs). Any faster and adapters begin in such numbers that slots change hands
 * at every step for minutes, which the measured mean TTFTs of runs of the fit rule out (96 slots, 256 adapters: 0.25 s;
 * 0.62 s come out with 30 s, 0.40 s with 120 s, 0.17 s with 300 s and with 900 s).
 */
const beginWithinMs = 300_000

/** The load of a run: adapters' requests after exponential gaps and a first one at the start; log-normal lengths. */
export function* arrivalsOf(row: LabRunRow, seed: number, untilMs: number): Generator<Arrival> {
  const random = createRandom(seed)
  const input = lengthsOf(row.meanInputTokens, inputSpread)
  const output = lengthsOf(row.meanOutputTokens, outputSpread)
  const arrival = (atMs: number, adapter: number): Arrival => ({
    atMs,
    adapter,
    inputTokens: input(random),
    outputTokens: output(random),
  })
  const cumulative = cumulativeOf(row.rates)
  const meanGapMs = 1000 / (cumulative.at(-1) ?? 1)
  const firstGapMs = beginWithinMs / row.rates.length
  let begun = 0
  for (let atMs = 0; ;) {
    atMs += exponential(random) * meanGapMs
    for (; begun < row.rates.length && begun * firstGapMs <= Math.min(atMs, untilMs); begun += 1) {
      yield arrival(begun * firstGapMs, begun)
    }
    if (atMs >= untilMs) {
      return
    }
    yield arrival(atMs, drawIndex(random, cumulative))
  }
}

/** Log-normal lengths cut off at `longest`, with this mean after the cut. */
function lengthsOf(mean: number, { cv, longest }: typeof inputSpread): (random: Random) => number {
  const draw = (before: number) => (random: Random) =>
    Math.min(longest, lengthOf(random, before, cv))
  let before = mean
  for (let round = 0; round < 4; round += 1) {
    const random = createRandom(1)
    let sum = 0
    for (let at = 0; at < 20_000; at += 1) {
      sum += draw(before)(random)
    }
    before *= mean / (sum / 20_000)
  }
  return draw(before)
}
