/** Two-sided 95 % points of Student's t by degrees of freedom 1–30; beyond, the normal distribution's. */
const tPoints = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048,
  2.045, 2.042,
]

export interface Interval {
  readonly mean: number
  readonly low: number
  readonly high: number
}

/** NaN for no values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Mean of independent values with its 95 % interval (Student's t); unbounded for fewer than two. */
export function meanWithInterval(values: readonly number[]): Interval {
  const average = mean(values)
  const freedom = values.length - 1
  if (freedom < 1) {
    return { mean: average, low: -Infinity, high: Infinity }
  }
  const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / freedom
  const margin = (tPoints[freedom - 1] ?? 1.96) * Math.sqrt(variance / values.length)
  return { mean: average, low: average - margin, high: average + margin }
}

/** Of the straight line that lies nearest to the points (least squares). */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const meanX = mean(points.map(([x]) => x))
  const meanY = mean(points.map(([, y]) => y))
  const sum = (of: (x: number, y: number) => number) =>
    points.reduce((total, [x, y]) => total + of(x - meanX, y - meanY), 0)
  return sum((x, y) => x * y) / sum((x) => x * x)
}
