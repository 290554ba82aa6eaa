import type { LatencyProfile } from '../../src/sim/profile.ts'
import { arrivalsOf, type Arrival } from './lab-arrivals.ts'
import { replay, type Front, type ReplayFigures } from './lab-replay.ts'
import type { LabRunRow } from './lab-runs.ts'
import { openFront, scrapeFront } from './scrape-front.ts'

const seed = 1

/** The hour as it was, from the first request on. TTFT is what callers saw. */
export function replayLabRun(row: LabRunRow, profile: LatencyProfile): ReplayFigures {
  const untilMs = row.durationS * 1000
  const front = isSaturated(row) ? openFront : scrapeFront(row, untilMs)
  return replay(arrivalsOf(row, seed, untilMs), engineOf(row, profile), untilMs, front)
}

/** Ten minutes of a run without a queue, its first minute not counted: for a fit, which replays it many times. */
export function replaySteadyPart(row: LabRunRow, profile: LatencyProfile): ReplayFigures {
  const untilMs = 660_000
  const arrivals = arrivalsOf(row, seed, untilMs)
  return replay(arrivals, engineOf(row, profile), untilMs, openFront, 60_000)
}

/**
 * Minutes out of the middle of the hour, with the number of requests inside that was measured there: for the fit, which
 * wants the work of a step as it was, however long the steps of the profile at hand take.
 */
export function replayMiddle(row: LabRunRow, profile: LatencyProfile): ReplayFigures {
  const isSteady = row.regime === 'stable'
  const untilMs = 300_000
  const inside = Math.min(row.waitingMean, 20_000) + row.runningMean
  const front: Front = isSteady ? openFront : { ...openFront, mostOutstanding: inside }
  const arrivals = fromTheMiddle(arrivalsOf(row, seed, untilMs), isSteady ? 0 : inside)
  return replay(arrivals, engineOf(row, profile), untilMs, front)
}

/** Requests beyond what the engine can take: only its throughput and TPOT say anything. */
export function isSaturated({ regime }: LabRunRow): boolean {
  return regime === 'overloaded' || regime === 'client_capped'
}

function engineOf(row: LabRunRow, profile: LatencyProfile) {
  return {
    profile,
    maxLoras: row.slots,
    maxCpuLoras: row.rates.length,
    maxNumSeqs: 2048,
    maxNumBatchedTokens: 2048,
    kvTokens: profile.kvTokens - profile.kvTokensPerSlotRank * row.slots * row.rank,
  }
}

/** The first `inside` are there from the start. */
function* fromTheMiddle(arrivals: Iterable<Arrival>, inside: number): Generator<Arrival> {
  let count = 0
  for (const arrival of arrivals) {
    count += 1
    yield count <= inside ? { ...arrival, atMs: 0 } : arrival
  }
}
