/** What the load needed, in replicas, at a moment. */
export interface Level {
  readonly atMs: number
  readonly need: number
}

const guardMs = 600_000
const stretches = 3
const leastStretchMs = 40_000
/** Of a peak: from below it, the way up is one that was gone before. */
const wellBelow = 0.95
/** A level is a mean over the minute before it: it is half of that late. */
const lateMs = 30_000

/**
 * What the load will need when a replica ordered now is there. A growth that goes on, through three stretches of a third
 * of the cold start each, is taken to go on; a jump is in one or two of them and is not: it has happened. A load that comes
 * back is taken to stop where it was before; beyond that nothing is known, and it goes on.
 */
export function needAhead(
  levels: readonly Level[],
  nowMs: number,
  need: number,
  coldStartMs: number,
): number {
  const stretchMs = Math.max(coldStartMs / stretches, leastStretchMs)
  const points = Array.from({ length: stretches + 1 }, (_, index) =>
    index === 0 ? need : needAt(levels, nowMs - index * stretchMs),
  )
  let slope = Infinity
  for (const [index, later] of points.slice(0, -1).entries()) {
    const earlier = points[index + 1]
    if (later === undefined || earlier === undefined) {
      return need
    }
    slope = Math.min(slope, (later - earlier) / stretchMs)
  }
  const ahead = need + Math.max(0, slope) * (coldStartMs + lateMs)
  const peak = peakOf(levels)
  return need < wellBelow * peak ? Math.min(ahead, peak) : ahead
}

/**
 * A load that grew fast within the last ten minutes may do so again: the growth over a cold start that this part of moments
 * stayed below (1: the greatest), but no more than was needed then.
 */
export function needAfterBurst(
  levels: readonly Level[],
  nowMs: number,
  need: number,
  { coldStartMs, quantile }: { readonly coldStartMs: number; readonly quantile: number },
): number {
  const recent = levels.filter(({ atMs }) => atMs > nowMs - guardMs)
  const growths = recent
    .map((level) => level.need / (needAt(levels, level.atMs - coldStartMs) ?? Infinity))
    .filter((growth) => growth > 0)
    .sort((left, right) => left - right)
  const last = growths.length - 1
  const growth = growths[Math.min(last, Math.floor(quantile * growths.length))] ?? 1
  const peak = peakOf(recent)
  // From nothing to something is no number of times.
  return Math.max(need, Number.isFinite(growth) ? Math.min(peak, need * growth) : peak)
}

function peakOf(levels: readonly Level[]): number {
  return levels.reduce((most, { need }) => Math.max(most, need), 0)
}

/** The last level that is not younger; undefined before the first. */
function needAt(levels: readonly Level[], atMs: number): number | undefined {
  return levels.findLast((level) => level.atMs <= atMs)?.need
}
