import { doneOf, placelessOf, type Sample } from './autoscale-sample.ts'

/**
 * What a replica can take, learned from what it does. A step takes `a + w·x·T`, x tokens a second on the replica (read and
 * written), T the time between tokens; so 1/T = 1/a − (w/a)·x: one over TPOT falls on a line over the tokens a second.
 * Sums of a least-squares fit, forgotten by half in half an hour.
 */
export interface CapacityFit {
  readonly weight: number
  readonly x: number
  readonly y: number
  readonly xx: number
  readonly xy: number
  readonly atMs: number
}

const everyMs = 10_000
const halfLifeMs = 1_800_000
/** Points before a line is believed in, and how far apart they have to lie, as a part of their mean. */
const leastPoints = 12
const leastSpread = 0.1
/** A line says little far beyond the greatest load seen; relative to the mean load. */
const mostBeyond = 3

export const noFit: CapacityFit = { weight: 0, x: 0, y: 0, xx: 0, xy: 0, atMs: -Infinity }

/**
 * One point every ten seconds, from the samples of the last minute, where hardly anything waits for a place and no replica
 * came or went.
 */
export function noteServed(fit: CapacityFit, samples: readonly Sample[]): CapacityFit {
  const [first, last] = [samples[0], samples.at(-1)]
  if (first === undefined || last === undefined || last.atMs - fit.atMs < everyMs) {
    return fit
  }
  const seconds = (last.atMs - first.atMs) / 1000
  const isSteady = samples.every(
    (sample) => sample.ready === first.ready && placelessOf(sample) <= sample.ready,
  )
  const written = (last.outputTokens ?? 0) - (first.outputTokens ?? 0)
  const read = (last.inputTokens ?? 0) - (first.inputTokens ?? 0)
  if (seconds < 30 || !isSteady || first.ready === 0 || written <= 0 || doneOf(last) < 50) {
    return fit
  }
  const running = samples.reduce((sum, sample) => sum + sample.running, 0) / samples.length
  if (running === 0) {
    // Answers between two looks: nobody saw how long they ran.
    return fit
  }
  const x = (read + written) / seconds / first.ready
  const y = written / (running * seconds * 1000)
  const kept = 2 ** (-Math.min(last.atMs - fit.atMs, 1e9) / halfLifeMs)
  return {
    weight: fit.weight * kept + 1,
    x: fit.x * kept + x,
    y: fit.y * kept + y,
    xx: fit.xx * kept + x * x,
    xy: fit.xy * kept + x * y,
    atMs: last.atMs,
  }
}

/** Tokens a second at which a replica is at `tpotMs`; undefined while the points do not tell. */
export function capacityAt(fit: CapacityFit, tpotMs: number): number | undefined {
  if (fit.weight < leastPoints) {
    return undefined
  }
  const [x, y] = [fit.x / fit.weight, fit.y / fit.weight]
  const variance = fit.xx / fit.weight - x * x
  const slope = (fit.xy / fit.weight - x * y) / variance
  if (Math.sqrt(Math.max(0, variance)) < leastSpread * x || !(slope < 0)) {
    return undefined
  }
  const capacity = x + (1 / tpotMs - y) / slope
  return Math.min(Math.max(capacity, x / mostBeyond), x * mostBeyond)
}
