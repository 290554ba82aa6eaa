/** What is known of one revision's traffic between two looks. */
export interface RevisionTraffic {
  /** Requests that came since the look before. */
  readonly arrivals: number
  /** Requests that wait or run now. */
  readonly open: number
}

/** How much a revision is asked for. */
export interface RevisionDemand {
  /** Requests a second: the last minute's, weighted, or the last ten seconds' where they were more than by chance. */
  readonly rate: number
  /** Requests at once, the same way. */
  readonly open: number
}

interface Track extends RevisionDemand {
  readonly slowRate: number
  readonly slowOpen: number
  readonly recent: readonly { readonly atMs: number; readonly arrivals: number }[]
}

export interface DemandMemory {
  /** Of the first look. */
  readonly sinceMs: number
  readonly atMs: number
  /** Revisions that are asked for; all others are not. */
  readonly revisions: ReadonlyMap<string, Track>
}

/** Forgotten to a third in so long. */
const slowMs = 60_000
const fastMs = 10_000
/** Less than a request in ten minutes is no demand: who asks so seldom can wait for a load. */
const leastRate = 1 / 600

/**
 * Demand by revision, estimated from counts alone: the last ten seconds where they are a burst, else the weighted minute,
 * so that it rises at once and falls slowly, by a minute whatever it came from. Arrivals of ten seconds scatter by their
 * root: what the minute explains is no burst, else copies would come and go in steady state. Forgetful: a process that
 * starts knows what is much asked for within ten seconds of traffic, the rest within a minute.
 *
 * @param nowMs of a clock that never goes back
 */
export function estimateDemand(
  before: DemandMemory | undefined,
  traffic: ReadonlyMap<string, RevisionTraffic>,
  nowMs: number,
): DemandMemory {
  // What came before the first look came in nobody knows how long.
  const sinceMs = before === undefined ? 0 : nowMs - before.atMs
  const revisions = new Map<string, Track>()
  for (const revision of new Set([...(before?.revisions.keys() ?? []), ...traffic.keys()])) {
    const came = traffic.get(revision) ?? nothing
    const track = advance(before?.revisions.get(revision) ?? unknown, came, sinceMs, nowMs)
    if (track.rate >= leastRate || came.open > 0) {
      revisions.set(revision, track)
    }
  }
  return { sinceMs: before?.sinceMs ?? nowMs, atMs: nowMs, revisions }
}

/** What is asked for seldom takes longer to be known; until then what is asked for much seems more than it is beside it. */
const knownMs = 30_000

/** Enough was seen to compare revisions with each other. */
export function isKnown({ sinceMs, atMs }: DemandMemory): boolean {
  return atMs - sinceMs >= knownMs
}

const nothing: RevisionTraffic = { arrivals: 0, open: 0 }
const unknown: Track = { rate: 0, open: 0, slowRate: 0, slowOpen: 0, recent: [] }

function advance(before: Track, came: RevisionTraffic, sinceMs: number, nowMs: number): Track {
  const old = Math.exp(-sinceMs / slowMs)
  const rate = sinceMs > 0 ? came.arrivals / (sinceMs / 1000) : 0
  const slowRate = before.slowRate * old + rate * (1 - old)
  const slowOpen = before.slowOpen * old + came.open * (1 - old)
  // While a gateway is silent nobody looks for longer than that: not all of it is a burst.
  const withinFast = came.arrivals * Math.min(1, fastMs / sinceMs)
  const recent = [
    ...before.recent.filter(({ atMs }) => atMs > nowMs - fastMs),
    ...(sinceMs > 0 && came.arrivals > 0 ? [{ atMs: nowMs, arrivals: withinFast }] : []),
  ]
  const lately = recent.reduce((sum, { arrivals }) => sum + arrivals, 0)
  return {
    rate: Math.max(
      slowRate,
      before.rate * old,
      isBurst(lately, slowRate) ? lately / (fastMs / 1000) : 0,
    ),
    open: Math.max(slowOpen, came.open),
    slowRate,
    slowOpen,
    recent,
  }
}

/** Standard deviations above what was expected; at 3, hundreds of adapters had one by chance every few minutes. */
const certainty = 4

function isBurst(lately: number, slowRate: number): boolean {
  const expected = slowRate * (fastMs / 1000)
  return lately > expected + certainty * Math.sqrt(Math.max(1, expected))
}
