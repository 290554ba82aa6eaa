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
 * The load of a run: each adapter's requests come after exponential gaps, lengths are log-normal with the run's means. That
 * every caller begins at once, as vLLM's own benchmark does, the runs do not show: with 96 slots and 256 adapters the
 * mean TTFT would be 0.45 s, measured are 0.18 s, and 0.13 s come out without.
 */
export function* arrivalsOf(row: LabRunRow, seed: number, untilMs: number): Generator<Arrival> {
  const random = createRandom(seed)
  const input = lengthsOf(row.meanInputTokens, inputSpread)
  const output = lengthsOf(row.meanOutputTokens, outputSpread)
  const cumulative = cumulativeOf(row.rates)
  const meanGapMs = 1000 / (cumulative.at(-1) ?? 1)
  for (let atMs = 0; ;) {
    atMs += exponential(random) * meanGapMs
    if (atMs >= untilMs) {
      return
    }
    yield {
      atMs,
      adapter: drawIndex(random, cumulative),
      inputTokens: input(random),
      outputTokens: output(random),
    }
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
