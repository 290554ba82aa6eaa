import type { LatencyProfile } from '../../src/sim/profile.ts'
import type { FitPoint } from './fit-profile.ts'
import type { ReplayFigures } from './lab-replay.ts'
import { leastSquares } from './least-squares.ts'

/** What is moved; the cost of a running request is held, since it and that of prompts can hardly be told apart. */
const moved = [
  'stepMs',
  'perAdapterMs',
  'perAdapterRequestMs',
  'perSlotMs',
  'perAdapterSlotMs',
  'perPrefillTokenMs',
  'perSkippedMs',
  'hostToSlotMs',
] as const

/** About how large each is: what "a small move" means for one that is 0 now. */
const usual: readonly number[] = [13, 0.4, 0.0005, 0.02, 0.0005, 0.05, 0.0005, 6]

/** How far costs are scaled to see how much a point's TPOT answers. */
const nudge = 1.04

export type Moved = (typeof moved)[number]

export interface DescendOptions {
  readonly rounds: number
  /** Left as they are, where the points are too few to tell. */
  readonly held: readonly Moved[]
  readonly say: (text: string) => void
}

interface State {
  readonly profile: LatencyProfile
  readonly figures: readonly ReplayFigures[]
  readonly loss: number
}

/**
 * Moves a profile towards less error of whole replays, feedback and all. A replay tells what work lies between two tokens,
 * which gives the slope of its TPOT by each constant; how much more the engine makes of it (slower steps meet more
 * requests) is measured once by a replay with all costs a little higher. Each round solves for the least mean
 * |log error|, and takes the step, or half of it, or a quarter, if the replays agree that it is better.
 */
export function descendProfile(
  points: readonly FitPoint[],
  start: LatencyProfile,
  { rounds, held, say }: DescendOptions,
): LatencyProfile {
  let best = stateOf(points, start)
  const gains = gainsOf(points, best)
  for (let round = 0; round < rounds; round += 1) {
    const wanted = solved(points, best, gains, held)
    const better = betterOf(points, best, wanted)
    const found = better === undefined ? 'no better' : percent(better.loss)
    say(`round ${round + 1}: ${percent(best.loss)} → ${found} ${JSON.stringify(better?.profile)}`)
    if (better === undefined || better.loss > best.loss * 0.985) {
      return (better ?? best).profile
    }
    best = better
  }
  return best.profile
}

function betterOf(
  points: readonly FitPoint[],
  { profile, loss }: State,
  wanted: LatencyProfile,
): State | undefined {
  for (const part of [1, 0.5, 0.25]) {
    const state = stateOf(points, between(profile, wanted, part))
    if (state.loss < loss) {
      return state
    }
  }
  return undefined
}

function percent(value: number): string {
  return `${(value * 100).toFixed(2)} %`
}

function stateOf(points: readonly FitPoint[], profile: LatencyProfile): State {
  const figures = points.map((point) => point.replay(profile))
  const errors = figures.map((one, at) => Math.abs(errorOf(points[at], one)))
  const weights = points.map(({ weight }) => weight)
  const sum = errors.reduce((total, error, at) => total + error * (weights[at] ?? 1), 0)
  return { profile, figures, loss: sum / weights.reduce((total, weight) => total + weight, 0) }
}

/** log(lab / real) of the time that tokens take; a full engine's is the inverse of its throughput. */
function errorOf(
  point: FitPoint | undefined,
  { tpotMeanMs, outputTokensPerS }: ReplayFigures,
): number {
  if (point?.isSaturated === true && point.outputTokensPerS !== undefined) {
    return Math.log(point.outputTokensPerS / outputTokensPerS)
  }
  return point === undefined ? 0 : Math.log(tpotMeanMs / point.tpotMeanMs)
}

/** By how many percent TPOT grows if every step takes 1 % longer. */
function gainsOf(points: readonly FitPoint[], { profile, figures }: State): readonly number[] {
  const scaled = { ...profile, perRequestMs: profile.perRequestMs * nudge }
  for (const name of moved) {
    scaled[name] = (profile[name] ?? 0) * nudge
  }
  return points.map((point, at) => {
    const before = figures[at]
    const after = point.replay(scaled)
    const rise = before === undefined ? 0 : errorOf(point, after) - errorOf(point, before)
    const gain = rise / Math.log(nudge)
    return Math.min(5, Math.max(0.7, gain))
  })
}

function solved(
  points: readonly FitPoint[],
  { profile, figures }: State,
  gains: readonly number[],
  held: readonly Moved[],
): LatencyProfile {
  const now = moved.map((name) => profile[name] ?? 0)
  const slopes = figures.map(({ work, tpotMeanMs }, at) => {
    const { steps, adapters, adapterRequests, prefillTokens, skipped, copies } = work
    const slots = points[at]?.slots ?? 0
    const amounts = [
      steps,
      adapters,
      adapterRequests,
      slots * steps,
      slots * adapters,
      prefillTokens,
      skipped,
      copies,
    ]
    return amounts.map((amount) => (amount * (gains[at] ?? 1)) / tpotMeanMs)
  })
  const errors = figures.map((one, at) => errorOf(points[at], one))
  let wanted = now
  for (let round = 0; round < 6; round += 1) {
    const left = slopes.map((row, at) => (errors[at] ?? 0) + dot(row, wanted) - dot(row, now))
    // Least |error| by least squares: who is far off counts less.
    const weights = left.map((error, at) =>
      Math.sqrt((points[at]?.weight ?? 1) / Math.max(0.01, Math.abs(error))),
    )
    const rows = slopes.map((row, at) => row.map((value) => value * (weights[at] ?? 1)))
    const targets = slopes.map(
      (row, at) => (dot(row, now) - (errors[at] ?? 0)) * (weights[at] ?? 1),
    )
    const [kept, keptAt] = holding(now, held)
    wanted = [...leastSquares([...rows, ...kept], [...targets, ...keptAt])]
  }
  return { ...profile, ...Object.fromEntries(moved.map((name, at) => [name, wanted[at] ?? 0])) }
}

const lightly = 0.15
const firmly = 1000

/** Rows that keep each constant near where it is. */
function holding(now: readonly number[], held: readonly Moved[]): [number[][], number[]] {
  const sizes = now.map((value, at) => Math.max(value, usual[at] ?? 1))
  const hold = moved.map((name) => (held.includes(name) ? firmly : lightly))
  const rates = sizes.map((size, at) => (hold[at] ?? lightly) / size)
  return [
    rates.map((rate, at) => rates.map((_, other) => (other === at ? rate : 0))),
    rates.map((rate, at) => rate * (now[at] ?? 0)),
  ]
}

function dot(left: readonly number[], right: readonly number[]): number {
  return left.reduce((sum, value, at) => sum + value * (right[at] ?? 0), 0)
}

function between(from: LatencyProfile, to: LatencyProfile, part: number): LatencyProfile {
  const values = moved.map((name) => {
    const [before, after] = [from[name] ?? 0, to[name] ?? 0]
    return [name, before + (after - before) * part]
  })
  return { ...from, ...Object.fromEntries(values) }
}
