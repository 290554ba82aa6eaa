/** Enough for a line on a page. */
const mostPoints = 240

/** At most 240 points of milliseconds and value, each the mean or the most of its neighbours. */
export function thinned<Point extends { readonly atMs: number }>(
  timeline: readonly Point[],
  valueOf: (point: Point) => number,
  by: 'Mean' | 'Most',
): readonly (readonly [number, number])[] {
  const width = Math.max(1, Math.ceil(timeline.length / mostPoints))
  return Array.from({ length: Math.ceil(timeline.length / width) }, (_, at) => {
    const points = timeline.slice(at * width, (at + 1) * width)
    const values = points.map(valueOf)
    const value =
      by === 'Most'
        ? Math.max(...values)
        : values.reduce((sum, each) => sum + each, 0) / values.length
    return [points[0]?.atMs ?? 0, value] as const
  })
}
