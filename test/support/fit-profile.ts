import type { LatencyProfile } from '../../src/sim/profile.ts'
import { leastSquares } from './least-squares.ts'
import type { ReplayFigures } from './lab-replay.ts'

/** One measurement that a profile is fitted to. */
export interface FitPoint {
  readonly id: string
  readonly slots: number
  readonly tpotMeanMs: number
  /** What a full engine is fitted to in place of its TPOT; absent: its TPOT. */
  readonly outputTokensPerS?: number | undefined
  /** The batch is full whatever a step costs; else a slower step makes a larger batch, and so an even slower step. */
  readonly isSaturated: boolean
  /** How much it counts: 1, or more where less error is allowed. */
  readonly weight: number
  replay(profile: LatencyProfile): ReplayFigures
}

export interface FitOptions {
  readonly rounds: number
  /** Held, where the measurements cannot tell it from the prompts' cost. */
  readonly perRequestMs?: number
}

/**
 * Finds the milliseconds of a step. TPOT is linear in the work of the steps that it spans, but which work that is depends on
 * how long steps take. So each point is replayed with its own factor on the profile, which is moved until the replay
 * takes the measured time; then least squares of relative errors over the work of all points that are near; and again. A
 * point counts as much more as the engine's feedback makes of an error there.
 */
export function fitProfile(
  points: readonly FitPoint[],
  start: LatencyProfile,
  { rounds, perRequestMs }: FitOptions,
): LatencyProfile {
  let profile = start
  const factors = new Map<string, number>()
  for (let round = 0; round < rounds; round += 1) {
    const replays = points.map((point) => {
      const scaled = scaledProfile(profile, factors.get(point.id) ?? 1)
      return { point, figures: point.replay(scaled) }
    })
    const near = replays.filter(({ point, figures }) => isNear(figures, point))
    // Too few that take about the measured time: their factors bring more of them near.
    profile = near.length > unknowns ? solved(near, profile, perRequestMs) : profile
    for (const { point, figures } of replays) {
      const gain = point.isSaturated ? 0.8 : 0.4
      const ratio = point.tpotMeanMs / figures.tpotMeanMs
      const factor = (figures.tpotMeanMs / predictedMs(profile, point, figures)) * ratio ** gain
      factors.set(point.id, Math.min(1.5, Math.max(0.6, factor)))
    }
  }
  return profile
}

/** Milliseconds of a step that `solved` looks for. */
const unknowns = 7

interface Replayed {
  readonly point: FitPoint
  readonly figures: ReplayFigures
}

function isNear({ tpotMeanMs }: ReplayFigures, point: FitPoint): boolean {
  return Math.abs(Math.log(tpotMeanMs / point.tpotMeanMs)) < 0.12
}

function solved(
  replays: readonly Replayed[],
  profile: LatencyProfile,
  perRequestMs: number | undefined,
): LatencyProfile {
  const rows = replays.map(({ point: { slots, tpotMeanMs }, figures: { work } }) => {
    const requests = perRequestMs === undefined ? work.requests : 0
    const { steps, adapters, adapterRequests, prefillTokens, skipped } = work
    const row = [steps, requests, adapters, adapterRequests, steps * slots, prefillTokens, skipped]
    return row.map((value) => value / tpotMeanMs)
  })
  const targets = replays.map(({ point: { tpotMeanMs }, figures: { work } }) => {
    const known = profile.hostToSlotMs * work.copies + (perRequestMs ?? 0) * work.requests
    return 1 - known / tpotMeanMs
  })
  const weights = replays.map((one) => one.point.weight * amplification(profile, one))
  const weighed = rows.map((row, at) => row.map((value) => value * (weights[at] ?? 1)))
  const wanted = targets.map((value, at) => value * (weights[at] ?? 1))
  const [step = 0, request = 0, adapter = 0, adapterRequest = 0, slot = 0, prefill = 0, skip = 0] =
    leastSquares(weighed, wanted)
  return {
    ...profile,
    stepMs: step,
    perRequestMs: perRequestMs ?? request,
    perAdapterMs: adapter,
    perAdapterRequestMs: adapterRequest,
    perSlotMs: slot,
    perPrefillTokenMs: prefill,
    perSkippedMs: skip,
  }
}

/**
 * A step that takes 1 % longer meets 1 % more requests and prompts, and more adapters as long as slots are left: TPOT grows
 * by 1 / (1 − g) %, g the part of the step that grows with it.
 */
function amplification(profile: LatencyProfile, { point, figures }: Replayed): number {
  const { steps, requests, adapters, adapterRequests, prefillTokens } = figures.work
  if (point.isSaturated) {
    return 1
  }
  const perAdapterRequestMs = profile.perAdapterRequestMs ?? 0
  const hasSlots = adapters < 0.95 * point.slots * steps
  // Of adapters that come and go, about so much: A = Σ (1 − e^(−load)) grows slower than the load.
  const adapterPart = hasSlots ? 0.6 : 0
  const growingMs =
    profile.perRequestMs * requests +
    profile.perPrefillTokenMs * prefillTokens +
    perAdapterRequestMs * adapterRequests * (1 + adapterPart) +
    profile.perAdapterMs * adapters * adapterPart
  return 1 / Math.max(0.25, 1 - growingMs / figures.tpotMeanMs)
}

function predictedMs(
  profile: LatencyProfile,
  { slots }: FitPoint,
  { work }: ReplayFigures,
): number {
  return (
    (profile.stepMs + profile.perSlotMs * slots) * work.steps +
    profile.perRequestMs * work.requests +
    profile.perAdapterMs * work.adapters +
    (profile.perAdapterRequestMs ?? 0) * work.adapterRequests +
    profile.perPrefillTokenMs * work.prefillTokens +
    (profile.perSkippedMs ?? 0) * work.skipped +
    profile.hostToSlotMs * work.copies
  )
}

function scaledProfile(profile: LatencyProfile, factor: number): LatencyProfile {
  return {
    ...profile,
    stepMs: profile.stepMs * factor,
    perRequestMs: profile.perRequestMs * factor,
    perAdapterMs: profile.perAdapterMs * factor,
    perAdapterRequestMs: (profile.perAdapterRequestMs ?? 0) * factor,
    perSlotMs: profile.perSlotMs * factor,
    perPrefillTokenMs: profile.perPrefillTokenMs * factor,
    perSkippedMs: (profile.perSkippedMs ?? 0) * factor,
    hostToSlotMs: profile.hostToSlotMs * factor,
  }
}
